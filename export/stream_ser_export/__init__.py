"""From Keras models to ONNX bundles with the same output."""
