#!/usr/bin/env bash
# ONNX Runtime: an answer of a bound run changes when the session runs again, on the CPU too
#
# Package    onnxruntime 1.31.1, CPU (model made with onnx 1.23.2)
# Upstream   microsoft/onnxruntime, OrtValue.numpy of onnxruntime/python/onnxruntime_inference_collection.py
# Expected   bind_output("y", "cpu") names a device and no buffer, so each run makes its output, as InferenceSession.run does.
#            OrtValue.numpy() then is the answer of that run; the documentation speaks neither of a view nor of the next run.
# Happens    The second run writes into the output of the first, and numpy() is a view of it: the array that was taken before
#            shows the new answer. copy_outputs_to_cpu() does copy, also where both are on the CPU.
# Seen       2026-11:
#              first answer by numpy()                [-1.0, -2.0, -3.0], after the next run [-7.0, -8.0, -9.0]
#              first answer by copy_outputs_to_cpu()  [-1.0, -2.0, -3.0], kept
#              first answer by InferenceSession.run   [-1.0, -2.0, -3.0], kept
# For us     What a bound run returns has to be copied on each device, the CPU too, before anything else runs. Without that each
#            stream would show the answer of the stream that came last.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6' 'onnx==1.23.2' 'onnxruntime==1.31.1'
"$dir/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "negated", value[:1], value[1:])
model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

unbound = session.run(None, {"x": np.array([1, 2, 3], np.float32)})[0]
session.run(None, {"x": np.array([7, 8, 9], np.float32)})

binding = session.io_binding()
binding.bind_output("y", "cpu")
binding.bind_cpu_input("x", np.array([1, 2, 3], np.float32))
session.run_with_iobinding(binding)
first = binding.get_outputs()[0].numpy()
copied = binding.copy_outputs_to_cpu()[0]
before = first.tolist()
binding.bind_cpu_input("x", np.array([7, 8, 9], np.float32))
session.run_with_iobinding(binding)
after = first.tolist()
print(f"first answer by numpy()                {before}, after the next run {after}")
print(f"first answer by copy_outputs_to_cpu()  {copied.tolist()}, kept")
print(f"first answer by InferenceSession.run   {unbound.tolist()}, kept")
if before != [-1, -2, -3] or after != [-7, -8, -9] or copied.tolist() != before or unbound.tolist() != before:
    sys.exit(f"changed: the first answer was {before} and now stays {after}")
PY
