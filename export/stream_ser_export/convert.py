"""Keras -> ONNX, with metadata inside and the answers compared before anything is kept."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray

from stream_ser.errors import UserError
from stream_ser.models.bundle import Metadata, load_bundle
from stream_ser.models.provider import CPU

OPSET = 18
TOLERANCE = 1e-5
"""Largest difference of a probability between Keras and ONNX."""


class ParityError(UserError):
    """Keras and ONNX disagree; nothing was written."""


def export_bundle(
    model: keras.Model, metadata: Metadata, windows: NDArray[np.float32], lengths: NDArray[np.int32], file: Path
) -> float:
    """Convert a model into a bundle at ``file``.

    Args:
        model: takes ``[mfcc, length]`` and returns probabilities, ``float32[batch, emotion]``.
        metadata: goes into the file.
        windows: ``float32[batch, frames, coef]``, real windows to compare the two on.
        lengths: ``int32[batch]``.
        file: where the bundle is written.

    Returns:
        The largest difference between the two, over all probabilities.

    Raises:
        ParityError: it is above :data:`TOLERANCE`.
    """
    graph = convert(model, metadata)
    partial = file.with_suffix(".part.onnx")
    partial.write_bytes(graph.SerializeToString())
    try:
        session = load_bundle(partial, metadata.features, [CPU]).session
        (answer,) = session.run(["probabilities"], {"mfcc": windows, "length": lengths})
        expected = np.asarray(model([windows, lengths], training=False))
        difference = float(np.abs(answer - expected).max())
        if not difference <= TOLERANCE:
            raise ParityError(
                f"{metadata.name}: Keras and ONNX differ by {difference:.1e}, more than {TOLERANCE:.0e}; nothing was exported"
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def convert(model: keras.Model, metadata: Metadata) -> onnx.ModelProto:
    """The ONNX graph of ``model`` with the metadata inside."""
    coefficients = metadata.features.coefficients
    signature = (
        tf.TensorSpec((None, None, coefficients), tf.float32, name="mfcc"),
        tf.TensorSpec((None,), tf.int32, name="length"),
    )

    @tf.function(input_signature=signature)
    def answer(mfcc: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model([mfcc, length], training=False)}

    with redirect_stderr(io.StringIO()):
        graph, _ = tf2onnx.convert.from_function(answer, input_signature=list(signature), opset=OPSET)
    onnx.helper.set_model_props(graph, metadata.encode())
    onnx.checker.check_model(graph)
    return graph
