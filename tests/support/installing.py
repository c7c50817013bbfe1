"""Runs pip as a user would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def user_environment() -> dict[str, str]:
    """The variables of a user: none that points to this checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "STREAM_SER_DATA", "VIRTUAL_ENV")}


def pip(python: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=user_environment())
