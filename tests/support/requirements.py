"""What a test needs of the machine: without it the test is skipped, and fails under CI, where everything must be there."""

from __future__ import annotations

import os
import shutil

import pytest


def require(condition: bool, what: str) -> None:
    """Skip the test, or fail it under CI, unless the condition holds."""
    if not condition:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {what}")


def require_programs(*programs: str) -> None:
    """Require programs on the PATH."""
    for program in programs:
        require(shutil.which(program) is not None, program)
