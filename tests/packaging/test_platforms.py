"""Which ONNX Runtime each platform is given, and that ARM64 Linux finds wheels of everything."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from installing import ROOT, pip
from packaging.requirements import Requirement

pytestmark = pytest.mark.integration

PLATFORMS = {
    ("linux", "x86_64"): "onnxruntime-gpu",
    ("linux", "aarch64"): "onnxruntime",
    ("win32", "AMD64"): "onnxruntime-gpu",
    ("win32", "ARM64"): "onnxruntime",
    ("darwin", "x86_64"): "onnxruntime",
    ("darwin", "arm64"): "onnxruntime",
}


def required(extra: str, system: str, machine: str) -> list[str]:
    """Distributions of ONNX Runtime that an extra (or with "" none) brings to a platform."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    environment = {"sys_platform": system, "platform_machine": machine}
    needs = [Requirement(text) for text in texts]
    return [one.name for one in needs if "onnxruntime" in one.name and (one.marker is None or one.marker.evaluate(environment))]


@pytest.mark.parametrize(("platform", "distribution"), PLATFORMS.items(), ids=lambda value: "-".join(value).strip("-"))
def test_the_gpu_extra_brings_the_gpu_wheel_where_there_is_one(platform: tuple[str, str], distribution: str) -> None:
    assert required("gpu", *platform) == [distribution]


@pytest.mark.parametrize("platform", PLATFORMS, ids="-".join)
def test_only_the_runtime_extras_bring_a_runtime(platform: tuple[str, str]) -> None:
    assert required("cpu", *platform) == ["onnxruntime"]
    for extra in ("", "train", "bridges", "dev"):
        assert required(extra, *platform) == []


def test_arm64_linux_finds_a_wheel_of_everything(wheel: Path, tmp_path: Path) -> None:
    tags = [f"--platform={tag}_aarch64" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
    resolved = pip(
        sys.executable, "install", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--target", str(tmp_path), *tags,
        "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[cpu]",
    )  # fmt: skip
    assert resolved.returncode == 0, resolved.stderr
    assert "Would install" in resolved.stdout
    assert "onnxruntime-1" in resolved.stdout
