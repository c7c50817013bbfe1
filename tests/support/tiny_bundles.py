"""Small bundles that load fast and recognise nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import MODELS, STEPPED, Metadata

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def metadata(name: str, features: MfccSettings | None = None, labels: Sequence[str] = EMOTIONS, step: int = 1) -> Metadata:
    return Metadata(
        name=name,
        version="test",
        labels=tuple(labels),
        features=features or MfccSettings(),
        training={"corpus": "none"},
        metrics={},
        licence="none",
        fusion_temperature=0.87,
        threshold=0.35,
        step=step,
    )


def tiny_model(
    properties: Mapping[str, str], coefficients: int = MfccSettings().coefficients, emotions: int = len(EMOTIONS)
) -> onnx.ModelProto:
    """A graph with a bundle's inputs and outputs: the softmax of the mean frame's first coefficients."""
    nodes = [
        helper.make_node("ReduceSum", ["mfcc", "axis"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["length"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
        helper.make_node("Div", ["sum", "counts"], ["mean"]),
        helper.make_node("Slice", ["mean", "from", "to", "axis"], ["first"]),
        helper.make_node("Softmax", ["first"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("mfcc", TensorProto.FLOAT, ["batch", "frames", coefficients]),
            helper.make_tensor_value_info("length", TensorProto.INT32, ["batch"]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", emotions])],
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [emotions]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(properties))
    return model


def tiny_stepping_model(properties: Mapping[str, str], coefficients: int = MfccSettings().coefficients) -> onnx.ModelProto:
    """A graph with the inputs and outputs of a model that steps: the softmax of the sum of all frames' first coefficients.

    The state is that sum.
    """
    emotions = len(EMOTIONS)
    nodes = [
        helper.make_node("Slice", ["mfcc", "from", "to", "last"], ["firsts"]),
        helper.make_node("ReduceSum", ["firsts", "axis"], ["new"], keepdims=0),
        helper.make_node("Add", ["state", "new"], ["next_state"]),
        helper.make_node("Div", ["next_state", "window"], ["mean"]),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("mfcc", TensorProto.FLOAT, ["batch", "frames", coefficients]),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", emotions]),
            helper.make_tensor_value_info("window", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", emotions]),
            helper.make_tensor_value_info("next_state", TensorProto.FLOAT, ["batch", emotions]),
        ],
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [emotions]),
            helper.make_tensor("last", TensorProto.INT64, [1], [2]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(properties))
    return model


def write_tiny_bundles(folder: Path, **facts: Any) -> None:
    """All files of a bundle folder; ``facts`` are fields of their metadata that differ."""
    for name in MODELS:
        described = replace(metadata(name), **facts)
        (folder / f"{name}.onnx").write_bytes(tiny_model(described.encode()).SerializeToString())
    described = replace(metadata(STEPPED, step=4), **facts)
    (folder / f"{STEPPED}.onnx").write_bytes(tiny_stepping_model(described.encode()).SerializeToString())
