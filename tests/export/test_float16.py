"""Weights stored in half the bytes: the output of the graph does not change."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from stream_ser_export.float16 import store_as_float16

from stream_ser.models.providers import CPU
from stream_ser.models.runtime import ort

pytestmark = pytest.mark.unit

RNG = np.random.default_rng(0)
FINE = RNG.standard_normal((40, 50)).astype(np.float32)
"""No float16 holds these."""
COARSE = FINE.astype(np.float16).astype(np.float32)


def product(weights: NDArray[np.float32]) -> onnx.ModelProto:
    """``y = x @ weights``."""
    (rows, columns), kind = weights.shape, onnx.TensorProto.FLOAT
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("MatMul", ["x", "weights"], ["y"])],
            "product",
            [onnx.helper.make_tensor_value_info("x", kind, [None, rows])],
            [onnx.helper.make_tensor_value_info("y", kind, [None, columns])],
            [numpy_helper.from_array(weights, "weights")],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=8,
    )


def run(model: onnx.ModelProto) -> NDArray[np.float32]:
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=[CPU])
    (output,) = session.run(None, {"x": np.eye(40, dtype=np.float32)})
    result: NDArray[np.float32] = output
    return result


def test_a_weight_of_float16_takes_half_the_bytes_and_gives_the_same_output() -> None:
    model = product(COARSE)
    before = len(model.SerializeToString())
    store_as_float16(model.graph)
    assert len(model.SerializeToString()) < 0.6 * before
    np.testing.assert_array_equal(run(model), COARSE)


@pytest.mark.parametrize("weights", [FINE, 1e6 * COARSE, COARSE[:, :5]], ids=["too fine", "too large", "too small to matter"])
def test_another_weight_stays(weights: NDArray[np.float32]) -> None:
    model = product(weights)
    before = model.SerializeToString()
    store_as_float16(model.graph)
    assert model.SerializeToString() == before
