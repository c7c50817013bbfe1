"""ONNX Runtime, imported here and nowhere else, when first used, with its telemetry off.

Its official builds send what they run, on what, to their maker and keep an identifier and a queue in the user's cache folder
(microsoft/onnxruntime#27379). The variable is read once, when the library loads, so it is set before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from stream_ser.errors import UserError, install_hint

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm")
"""Those that contain a module ``onnxruntime``; two of them overwrite each other's files."""

_CHOICE = f"{install_hint('cpu')} (with an NVIDIA GPU '.[gpu]')"


class RuntimeInstallError(UserError):
    """No ONNX Runtime is installed, or two are."""


def installed_distributions() -> dict[str, str]:
    """Version by name of each of :data:`DISTRIBUTIONS` that is installed."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def require_single(installed: Mapping[str, str]) -> None:
    """Check that no two distributions overwrite each other.

    Args:
        installed: version by name, of :data:`DISTRIBUTIONS`.

    Raises:
        RuntimeInstallError: there is more than one.
    """
    if len(installed) > 1:
        named = " and ".join(f"{name} {number}" for name, number in installed.items())
        raise RuntimeInstallError(
            f"{named} overwrite each other's files; pip uninstall --yes {' '.join(installed)}, then install one: {_CHOICE}"
        )


@cache
def load_runtime() -> Any:
    """The module ``onnxruntime``.

    Raises:
        RuntimeInstallError: it is not installed, or two distributions of it are.
    """
    require_single(installed_distributions())
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        broken = " ".join(installed_distributions())  # one that was removed with another took its files along
        found = f"has lost its files; pip uninstall --yes {broken}, then" if broken else "is not installed;"
        raise RuntimeInstallError(f"ONNX Runtime, which runs the models, {found} {_CHOICE}") from None
    return onnxruntime


class _LazyRuntime:
    """Stands for the module until an attribute of it is used, so that what runs no model needs no ONNX Runtime."""

    def __getattr__(self, name: str) -> Any:
        return getattr(load_runtime(), name)


if TYPE_CHECKING:
    import onnxruntime as ort
else:
    ort = _LazyRuntime()

__all__ = ["DISTRIBUTIONS", "RuntimeInstallError", "installed_distributions", "load_runtime", "ort", "require_single"]
