"""What a user gets who installs the wheel, away from the checkout."""

from __future__ import annotations

import json
import subprocess
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest
from installing import user_environment

import stream_ser

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: list[str]) -> Message:
    (file,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(zipfile.ZipFile(wheel).read(file).decode())


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=user_environment(), capture_output=True, text=True, timeout=120)


def test_the_licences_of_code_and_models_are_both_named_and_inside(metadata: Message, names: list[str]) -> None:
    assert metadata["License-Expression"] == "MIT AND CC-BY-NC-SA-4.0"
    for file in ("LICENSE", "stream_ser/models/bundled/LICENSE.md"):
        assert file in metadata.get_all("License-File", [])
        assert any(name.endswith(f".dist-info/licenses/{file}") for name in names), names
    assert "stream_ser/models/bundled/LICENSE.md" in names


def test_a_clean_environment_has_the_version_and_nothing_of_the_training(clean_bin: Path, tmp_path: Path) -> None:
    result = run([str(clean_bin / "stream-ser"), "--version"], tmp_path)
    assert result.stdout == f"stream-ser {stream_ser.__version__}\n", result.stderr
    listed = run([str(clean_bin / "python"), "-m", "pip", "list", "--format", "json"], tmp_path)
    installed = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert {"stream-ser", "onnxruntime"} <= installed
    assert not installed & {"scipy", "python-speech-features", "tensorflow", "librosa", "onnxruntime-gpu"}


def test_the_demo_runs_away_from_the_checkout(clean_bin: Path, tmp_path: Path) -> None:
    command = [str(clean_bin / "stream-ser"), "listen", "--input", "demo", "--fast", "--port", "0"]
    result = run(command, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Connect to ws://127.0.0.1:" in result.stdout
    assert "angry" in result.stdout


def test_training_names_the_packages_that_it_lacks(clean_bin: Path, tmp_path: Path) -> None:
    result = run([str(clean_bin / "stream-ser"), "train", "--out", "models"], tmp_path)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "tensorflow" in line
    assert "pip install --constraint constraints.txt --editable '.[train]'" in line
