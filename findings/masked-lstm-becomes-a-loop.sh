#!/usr/bin/env bash
# tf2onnx: a mask before a Keras LSTM, or a GRU with or without one, becomes an ONNX Loop
#
# Package    tf2onnx 1.17.0, with keras 3.15.1 and tensorflow 2.21.0
# Upstream   onnx/tensorflow-onnx, tf2onnx/rewriter/lstm_tf2_rewriter.py and gru_tf2_rewriter.py
# Expected   Keras' LSTM and GRU become ONNX's LSTM and GRU, for which runtimes have kernels of their own: the converter has a
#            rewriter for each, and the operators take the lengths that a mask stands for.
# Happens    A plain LSTM becomes one LSTM node. With Masking in front, or recurrent_activation="hard_sigmoid" (an activation
#            that the ONNX operator knows), it becomes a Loop of small operators; so does each GRU. There is no warning.
# Seen       2026-11, operators of a layer of 16 units on 12 inputs, those within the loop counted too:
#              LSTM                     12 operators, of which {'LSTM': 1, 'GRU': 0, 'Loop': 0}
#              Masking, LSTM            94 operators, of which {'LSTM': 0, 'GRU': 0, 'Loop': 1}
#              LSTM with hard_sigmoid   48 operators, of which {'LSTM': 0, 'GRU': 0, 'Loop': 1}
#              GRU                      50 operators, of which {'LSTM': 0, 'GRU': 0, 'Loop': 1}
#              GRU, reset_after=False   48 operators, of which {'LSTM': 0, 'GRU': 0, 'Loop': 1}
# For us     The networks mask by arithmetic on the answers of the layer and not with Keras' masks, they use no GRU, and the
#            tests of the exporter (tests/export/test_convert.py) refuse a graph with a Loop.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6' 'tensorflow==2.21.0' 'keras==3.15.1' 'tf2onnx==1.17.0' 'onnx==1.23.2'
export CUDA_VISIBLE_DEVICES='' TF_CPP_MIN_LOG_LEVEL=3
"$dir/venv/bin/python" - 2>"$dir/log" <<'PY' || { tail -n 1 "$dir/log" >&2; exit 1; }
import sys
from collections import Counter

import keras
import tensorflow as tf
import tf2onnx
from keras import layers


def operators(graph) -> Counter:
    """Of a graph and of the graphs within it."""
    found = Counter(node.op_type for node in graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += operators(attribute.g)
    return found


found = {}
for name, stack in (
    ("LSTM", [layers.LSTM(16)]),
    ("Masking, LSTM", [layers.Masking(), layers.LSTM(16)]),
    ("LSTM with hard_sigmoid", [layers.LSTM(16, recurrent_activation="hard_sigmoid")]),
    ("GRU", [layers.GRU(16)]),
    ("GRU, reset_after=False", [layers.GRU(16, reset_after=False)]),
):
    model = keras.Sequential([keras.Input((None, 12)), *stack])
    signature = [tf.TensorSpec((None, None, 12), tf.float32)]
    call = tf.function(lambda x, model=model: model(x, training=False), input_signature=signature)
    onnx_model, _ = tf2onnx.convert.from_function(call, signature, opset=17)
    found[name] = operators(onnx_model.graph)
    kinds = {kind: found[name][kind] for kind in ("LSTM", "GRU", "Loop")}
    print(f"{name:23} {found[name].total():3} operators, of which {kinds}")
plain = found.pop("LSTM")
if plain["LSTM"] != 1 or plain["Loop"] or not all(each["Loop"] and not each["LSTM"] + each["GRU"] for each in found.values()):
    sys.exit(f"changed: {plain}, {found}")
PY
