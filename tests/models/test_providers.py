from __future__ import annotations

import ctypes

import pytest

from stream_ser.models.providers import CPU, CUDA, ProviderError, require_cuda, verify_cuda
from stream_ser.models.runtime import ort

pytestmark = pytest.mark.unit


@pytest.fixture
def preloaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with a wheel for CUDA and a driver; what is loaded of CUDA is listed."""
    loaded: list[str] = []
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: loaded.append("cuda"), raising=False)
    monkeypatch.setattr(ctypes, "CDLL", loaded.append)
    return loaded


def test_the_libraries_of_cuda_are_loaded_after_the_driver(preloaded: list[str]) -> None:
    require_cuda()
    assert preloaded == ["libcuda.so.1", "cuda"]


def test_a_wheel_without_cuda_is_refused(preloaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(
        ProviderError, match=r"cannot run: this onnxruntime has no CUDA; pip uninstall --yes onnxruntime, then .*\[gpu\]"
    ) as refused:
        require_cuda()
    assert refused.value.reason == "this onnxruntime has no CUDA"
    assert preloaded == ["libcuda.so.1"], "without a driver the wheel would be the wrong thing to mend"


def test_a_machine_without_a_driver_is_refused(preloaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(ProviderError, match=r"no NVIDIA driver \(libcuda\.so\.1\); install the driver, or use --provider cpu"):
        require_cuda()
    assert preloaded == []


def test_a_session_that_fell_back_to_another_provider_is_refused() -> None:
    verify_cuda(CUDA)
    with pytest.raises(ProviderError, match=f"{CPU} runs instead: CUDA 13 or cuDNN 9 did not load"):
        verify_cuda(CPU)
