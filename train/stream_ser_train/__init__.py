"""Offline training: a corpus of clips goes in, evaluated models and ONNX bundles come out."""
