#!/usr/bin/env bash
# ONNX Runtime: an LSTM or GRU that has a bias, be it zero, turns NaN into ordinary numbers
#
# Package    onnxruntime 1.31.1, CPU (models made with onnx 1.23.2)
# Upstream   microsoft/onnxruntime, onnxruntime/core/providers/cpu/rnn/rnn_helpers.cc: clip_add_bias
# Expected   NaN in the input of a layer is NaN in its output, as arithmetic with NaN is. Whoever wants to know whether the
#            input was sane looks for NaN in the answer.
# Happens    With a bias, which converters always write, LSTM and GRU never give NaN: the gates are driven to a limit, and the
#            state moves on from there. An input of nothing but NaN gives an LSTM output of exactly 1. The same layer without
#            its bias of zeros passes NaN on, and so does the RNN operator, with a bias too.
# Seen       2026-11:
#              LSTM no   bias  NaN out for one NaN in: 480, for NaN throughout: 800, at the end [nan, nan]
#              LSTM zero bias  NaN out for one NaN in:   0, for NaN throughout:   0, at the end [1.0, 1.0]
#              GRU  no   bias  NaN out for one NaN in: 480, for NaN throughout: 800, at the end [nan, nan]
#              GRU  zero bias  NaN out for one NaN in:   0, for NaN throughout:   0, at the end [0.0, 0.0]
#              RNN  zero bias  NaN out for one NaN in: 480, for NaN throughout: 800, at the end [nan, nan]
# For us     A check of the probabilities cannot find a bad input: NaN is answered with finite numbers. Samples have to be made
#            finite before the features, and the count of those is the only sign that something was wrong.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6' 'onnx==1.23.2' 'onnxruntime==1.31.1'
"$dir/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HIDDEN, INPUTS, STEPS = 16, 12, 50
rng = np.random.default_rng(0)
clean = rng.standard_normal((STEPS, 1, INPUTS)).astype(np.float32)
one_nan = clean.copy()
one_nan[20, 0, 3] = np.nan
everywhere = np.full_like(clean, np.nan)
nan_out = {}
for layer, gates, bias in (("LSTM", 4, False), ("LSTM", 4, True), ("GRU", 3, False), ("GRU", 3, True), ("RNN", 1, True)):
    weights = {
        "W": 0.3 * rng.standard_normal((1, gates * HIDDEN, INPUTS)),
        "R": 0.3 * rng.standard_normal((1, gates * HIDDEN, HIDDEN)),
    }
    if bias:
        weights["B"] = np.zeros((1, 2 * gates * HIDDEN))
    graph = helper.make_graph(
        [helper.make_node(layer, ["x", *weights], ["y"], hidden_size=HIDDEN)],
        layer,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", "batch", INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["time", 1, "batch", HIDDEN])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = [session.run(None, {"x": x})[0] for x in (one_nan, everywhere)]
    nan_out[layer, bias] = tuple(int(np.isnan(answer).sum()) for answer in answers)
    last = answers[1][-1, 0, 0, :2].tolist()
    one, every = nan_out[layer, bias]
    kind = f"{layer:4} {'zero' if bias else 'no':4} bias"
    print(f"{kind}  NaN out for one NaN in: {one:3}, for NaN throughout: {every:3}, at the end {last}")
hidden = not any(nan_out["LSTM", True] + nan_out["GRU", True])
passed = all(nan_out["LSTM", False] + nan_out["GRU", False] + nan_out["RNN", True])
if not (hidden and passed):
    sys.exit(f"changed: NaN values out of (layer, bias) are now {nan_out}")
PY
