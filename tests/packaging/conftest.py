"""A wheel built as a release would be, and an environment that holds it and nothing of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from installing import ROOT, pip
from requirements import require


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Needs a package index: the test downloads what a user would."""
    target = str(tmp_path_factory.mktemp("probe"))
    probe = pip(
        sys.executable, "download", "--no-deps", "--retries", "0", "--timeout", "15", "--dest", target, "setuptools>=77"
    )
    require(probe.returncode == 0, "a package index")


@pytest.fixture(scope="session")
def wheel(index: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, by way of the source distribution: so what the tree holds beside the sources cannot slip in."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def clean_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands of a new environment with the wheel and its extra ``[cpu]``."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=120)
    commands = place / "bin"
    installed = pip(commands / "python", "install", "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[cpu]")
    assert installed.returncode == 0, installed.stderr
    return commands
