from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from stream_ser.errors import UserError
from stream_ser.models import providers, runtime
from stream_ser.models.providers import CPU, CUDA, ProviderError, require_cuda, verify_cuda
from stream_ser.models.runtime import RuntimeInstallError, installed_distributions, load_runtime, require_single

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


def test_listening_without_the_files_of_the_runtime_is_one_line_that_names_both_extras() -> None:
    """As where one of two distributions was removed, which takes files of the other along."""
    result = without_onnxruntime("listen", "--input", "demo", "--port", "0")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    (installed,) = installed_distributions()
    assert line.startswith(
        f"stream-ser: ONNX Runtime, which runs the models, has lost its files; pip uninstall --yes {installed}"
    )
    assert "'.[cpu]'" in line
    assert "'.[gpu]'" in line


def test_without_a_distribution_the_line_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(runtime, "version", absent)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeInstallError, match=r"is not installed; in the clone .*'\.\[cpu\]' .*'\.\[gpu\]'"):
        load_runtime.__wrapped__()


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


def test_a_driver_with_the_cpu_wheel_is_told_to_replace_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: None)  # as where the driver's library is
    monkeypatch.setattr(providers, "ort", SimpleNamespace(get_available_providers=lambda: [CPU]))
    with pytest.raises(ProviderError, match=r"no CUDA; pip uninstall --yes onnxruntime, then .* --editable '\.\[gpu\]'"):
        require_cuda()


def test_cuda_libraries_that_do_not_load_are_told_to_be_installed() -> None:
    verify_cuda(CUDA)
    with pytest.raises(ProviderError, match=r"CPUExecutionProvider runs instead: .*'\.\[gpu\]'"):
        verify_cuda(CPU)
