"""ONNX Runtime, imported here and nowhere else, with its telemetry off.

Its official builds send what they run, on what, to their maker and keep an identifier and a queue in the user's cache folder
(microsoft/onnxruntime#27379). The variable is read once, when the library loads, so it is set before.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
