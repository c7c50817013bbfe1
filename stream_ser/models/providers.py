"""Which ONNX Runtime execution provider runs the models: asked for, tried, and read back."""

from __future__ import annotations

import ctypes
from enum import StrEnum

from stream_ser.errors import UserError, install_hint
from stream_ser.models.runtime import ort

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_REPLACE = f"pip uninstall --yes onnxruntime, then {install_hint('gpu')}"


class ProviderChoice(StrEnum):
    """What ``--provider`` takes."""

    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"


class ProviderError(UserError):
    """A provider that was asked for cannot run.

    Attributes:
        reason: why, in few words; the message also names what to install.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"--provider cuda cannot run: {reason}; {remedy}")
        self.reason = reason


def require_cuda() -> None:
    """Load the CUDA and cuDNN libraries of the ``[gpu]`` extra.

    Raises:
        ProviderError: there is no NVIDIA driver, or this onnxruntime cannot use one.
    """
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise ProviderError("no NVIDIA driver (libcuda.so.1)", "install the driver, or use --provider cpu") from None
    if CUDA not in ort.get_available_providers():
        raise ProviderError("this onnxruntime has no CUDA", _REPLACE)
    ort.preload_dlls()


def verify_cuda(active: str) -> None:
    """Check what a session reports after CUDA was asked for.

    Raises:
        ProviderError: another provider runs.
    """
    if active != CUDA:
        raise ProviderError(f"{active} runs instead: CUDA 13 or cuDNN 9 did not load", install_hint("gpu"))
