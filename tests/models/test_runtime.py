from __future__ import annotations

import subprocess
import sys

import pytest

from stream_ser.errors import UserError
from stream_ser.models.runtime import RuntimeInstallError, installed_distributions, require_single

pytestmark = pytest.mark.unit

_WITHOUT = (
    "import sys, importlib.abc\n"
    "class Absent(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, *_):\n"
    "        if name.split('.')[0] == 'onnxruntime':\n"
    "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Absent())\n"
    "sys.argv = ['stream-ser', *sys.argv[1:]]\n"
    "from stream_ser.cli.app import main; main()"
)


def without_onnxruntime(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``stream-ser`` where the module cannot be found."""
    return subprocess.run([sys.executable, "-c", _WITHOUT, *arguments], capture_output=True, text=True, timeout=60)


def test_one_distribution_is_found() -> None:
    assert len(installed_distributions()) == 1
    require_single(installed_distributions())


def test_two_distributions_are_refused_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"onnxruntime 1\.29 and onnxruntime-gpu 1\.30 overwrite .*pip uninstall .*'\.\[cpu\]'"):
        require_single({"onnxruntime": "1.29", "onnxruntime-gpu": "1.30"})
    assert issubclass(RuntimeInstallError, UserError)


def test_listening_without_a_runtime_is_one_line_that_names_both_extras() -> None:
    result = without_onnxruntime("listen", "--input", "demo", "--port", "0")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("stream-ser: ONNX Runtime")
    assert "'.[cpu]'" in line
    assert "'.[gpu]'" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["config", "show"],
        ["devices"],
        ["listen", "--help"],
        ["watch", "--help"],
        ["bridge", "osc", "--help"],
    ],
    ids=" ".join,
)
def test_what_runs_no_model_needs_no_runtime(arguments: list[str]) -> None:
    result = without_onnxruntime(*arguments)
    assert "ONNX Runtime" not in result.stderr, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
