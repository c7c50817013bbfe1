#!/usr/bin/env bash
# ONNX Runtime: a dynamically quantized LSTM lets later frames, and other streams, change earlier answers
#
# Package    onnxruntime 1.31.1, CPU: onnxruntime.quantization.quantize_dynamic (model made with onnx 1.23.2)
# Upstream   microsoft/onnxruntime, onnxruntime/contrib_ops/cpu/quantization/dynamic_quantize_lstm.cc
# Expected   Output t of a one-way LSTM depends on the inputs up to t of its own row. Quantizing adds a small error to that.
# Happens    The scale of the input is taken over the whole tensor: all time steps and all rows of the batch. One loud frame
#            at the end makes every quiet frame before it coarse, and one loud row does so to its neighbours.
# Seen       2026-11, largest change of outputs that lie within -1 and 1:
#              float  steps before a loud last step: 0.000   row beside a loud row: 0.000
#              int8   steps before a loud last step: 0.674   row beside a loud row: 0.547
# For us     The weights are made smaller by storing them as float16, not by this. With it a speaker's label would depend on
#            who else is in the batch, and a step of one frame would not agree with the window that it was trained on.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6' 'onnx==1.23.2' 'onnxruntime==1.31.1'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import logging
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

logging.disable(logging.WARNING)  # advice on preparing the model, which is not the point here
HIDDEN, INPUTS, STEPS, LOUD = 16, 12, 50, 100
rng = np.random.default_rng(0)
weights = {"W": rng.standard_normal((1, 4 * HIDDEN, INPUTS)), "R": rng.standard_normal((1, 4 * HIDDEN, HIDDEN))}
graph = helper.make_graph(
    [helper.make_node("LSTM", ["x", "W", "R"], ["y"], hidden_size=HIDDEN)],
    "lstm",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", "batch", INPUTS])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["time", 1, "batch", HIDDEN])],
    [numpy_helper.from_array(0.3 * values.astype(np.float32), name) for name, values in weights.items()],
)
onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), "float.onnx")
quantize_dynamic("float.onnx", "int8.onnx", weight_type=QuantType.QInt8)

quiet = rng.standard_normal((STEPS, 2, INPUTS)).astype(np.float32)
loud_end, loud_row = quiet.copy(), quiet.copy()
loud_end[-1] *= LOUD
loud_row[:, 1] *= LOUD
moved = {}
for name in ("float", "int8"):
    session = onnxruntime.InferenceSession(f"{name}.onnx", providers=["CPUExecutionProvider"])
    answer, end, row = (session.run(None, {"x": x})[0] for x in (quiet, loud_end, loud_row))
    moved[name] = float(np.abs(end - answer)[:-1].max()), float(np.abs(row - answer)[:, :, 0].max())
    print(f"{name:5}  steps before a loud last step: {moved[name][0]:.3f}   row beside a loud row: {moved[name][1]:.3f}")
if max(moved["float"]) > 1e-5 or min(moved["int8"]) < 0.1:
    sys.exit(f"changed: earlier steps and the other row now move by {moved}")
PY
