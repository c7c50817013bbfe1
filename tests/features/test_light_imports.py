"""What a user installs has neither SciPy nor python_speech_features; they define the features, and tests compare with them."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

_IMPORT = (
    "import importlib, pkgutil, sys, stream_ser\n"
    "for module in pkgutil.walk_packages(stream_ser.__path__, 'stream_ser.'):\n"
    "    if not module.name.endswith('__main__'):\n"
    "        importlib.import_module(module.name)\n"
    "print(*sorted({'scipy', 'python_speech_features', 'tensorflow', 'sklearn', 'librosa'} & set(sys.modules)))"
)


def test_the_runtime_imports_nothing_of_the_training() -> None:
    result = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, timeout=120)
    assert result.stdout.strip() == ""
