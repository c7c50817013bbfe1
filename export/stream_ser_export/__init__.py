"""From Keras models to ONNX bundles that give the same answers."""
