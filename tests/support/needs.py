"""Skips with the reason on a user's machine; fails under CI, where everything must be there."""

from __future__ import annotations

import os
import shutil

import pytest


def need(condition: bool, what: str) -> None:
    if not condition:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {what}")


def need_programs(*programs: str) -> None:
    for program in programs:
        need(shutil.which(program) is not None, program)
