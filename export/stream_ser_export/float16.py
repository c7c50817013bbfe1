"""Weights in half the bytes, where that changes nothing."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

_MIN_SIZE = 1_000
"""Numbers in a weight from which on it is worth a node."""


def store_as_float16(graph: onnx.GraphProto) -> None:
    """Store each weight whose numbers are all float16 as such, behind a Cast to float32.

    ONNX Runtime casts it once, when it loads the graph. Other weights stay as they are.
    """
    casts = []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or np.prod(weight.dims) < _MIN_SIZE:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float16)
        if not np.array_equal(narrow.astype(np.float32), values):
            continue
        stored, name = f"{weight.name}_half", weight.name
        weight.CopyFrom(numpy_helper.from_array(narrow, stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], name=f"{name}_cast", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
