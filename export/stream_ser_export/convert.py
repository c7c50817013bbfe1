"""Keras -> ONNX, with metadata inside; the outputs are compared before anything is written."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray

from stream_ser.errors import UserError
from stream_ser.models.bundle import Metadata, load_bundle
from stream_ser.models.providers import CPU
from stream_ser.models.runtime import ort
from stream_ser_export.atomic_write import atomic_write
from stream_ser_export.float16 import store_as_float16

OPSET = 18
TOLERANCE = 1e-5
"""Largest difference of a probability between Keras and ONNX."""

STEPPING_TOLERANCE = 1e-4
"""Largest difference of a probability between a window processed at once in Keras and in steps in ONNX."""


class ParityError(UserError):
    """Keras and ONNX disagree; nothing was written."""


class Stepping(Protocol):
    """A model that processes a window in steps; :class:`stream_ser_train.networks.stepping.SteppingLstm` is one."""

    @property
    def state_size(self) -> int: ...

    def __call__(self, mfcc: tf.Tensor, state: tf.Tensor, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]: ...


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
    expected = np.asarray(model([windows, lengths], training=False))

    def difference(session: ort.InferenceSession) -> float:
        (probabilities,) = session.run(["probabilities"], {"mfcc": windows, "length": lengths})
        return float(np.abs(probabilities - expected).max())

    return _write(graph, metadata, file, difference, TOLERANCE)


def export_stepping(
    model: Stepping,
    windowed: keras.Model,
    metadata: Metadata,
    windows: NDArray[np.float32],
    lengths: NDArray[np.int32],
    file: Path,
) -> float:
    """Convert a stepping model into a bundle at ``file``.

    Args:
        model: maps new frames and a state to probabilities and the next state.
        windowed: the same model as :func:`export_bundle` takes it.
        metadata: goes into the file.
        windows: ``float32[batch, frames, coef]``, real windows to compare the two on.
        lengths: ``int32[batch]``.
        file: where the bundle is written.

    Returns:
        The largest difference between a window processed in steps and at once, over all probabilities.

    Raises:
        ParityError: it is above :data:`STEPPING_TOLERANCE`.
    """
    graph = convert_stepping(model, metadata)
    expected = np.asarray(windowed([windows, lengths], training=False))

    def difference(session: ort.InferenceSession) -> float:
        probabilities = [
            step_through(session, window[:length], metadata.step) for window, length in zip(windows, lengths, strict=True)
        ]
        return float(np.abs(np.stack(probabilities) - expected).max())

    return _write(graph, metadata, file, difference, STEPPING_TOLERANCE)


def step_through(session: ort.InferenceSession, window: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Run a stepping model over a window, a few steps at a time; return the probabilities at its end, ``float32[emotion]``."""
    size = session.get_inputs()[1].shape[1]
    feed = {"state": np.zeros((1, size), np.float32), "window": np.array(len(window), np.float32)}
    probabilities = np.empty((1, 0), np.float32)
    complete = len(window) // step * step
    for start, end in itertools.pairwise([*range(0, complete, 3 * step), complete]):
        probabilities, feed["state"] = session.run(["probabilities", "next_state"], {"mfcc": window[None, start:end], **feed})
    row: NDArray[np.float32] = probabilities[0]
    return row


def convert(model: keras.Model, metadata: Metadata) -> onnx.ModelProto:
    """The ONNX graph of ``model`` with the metadata inside."""
    signature = (
        tf.TensorSpec((None, None, metadata.features.coefficients), tf.float32, name="mfcc"),
        tf.TensorSpec((None,), tf.int32, name="length"),
    )

    def run(mfcc: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model([mfcc, length], training=False)}

    return _graph(run, signature, metadata)


def convert_stepping(model: Stepping, metadata: Metadata) -> onnx.ModelProto:
    """The ONNX graph of a stepping model, with the metadata inside."""
    signature = (
        tf.TensorSpec((None, None, metadata.features.coefficients), tf.float32, name="mfcc"),
        tf.TensorSpec((None, model.state_size), tf.float32, name="state"),
        tf.TensorSpec((), tf.float32, name="window"),
    )

    def run(mfcc: tf.Tensor, state: tf.Tensor, window: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities, new = model(mfcc, state, window)
        return {"probabilities": probabilities, "next_state": new}

    return _graph(run, signature, metadata)


def _graph(
    function: Callable[..., dict[str, tf.Tensor]], signature: Sequence[tf.TensorSpec], metadata: Metadata
) -> onnx.ModelProto:
    with redirect_stderr(io.StringIO()):
        graph, _ = tf2onnx.convert.from_function(
            tf.function(function, input_signature=signature), input_signature=list(signature), opset=OPSET
        )
    store_as_float16(graph.graph)
    onnx.helper.set_model_props(graph, metadata.encode())
    onnx.checker.check_model(graph)
    return graph


def _write(
    graph: onnx.ModelProto,
    metadata: Metadata,
    file: Path,
    difference: Callable[[ort.InferenceSession], float],
    tolerance: float,
) -> float:
    """Write the bundle if it differs from the model by no more than ``tolerance``."""
    with atomic_write(file) as partial:
        partial.write_bytes(graph.SerializeToString())
        largest = difference(load_bundle(partial, metadata.features, [CPU]).session)
        if not largest <= tolerance:
            raise ParityError(
                f"{metadata.name}: Keras and ONNX differ by {largest:.1e}, more than {tolerance:.0e}; nothing was exported"
            )
    return largest
