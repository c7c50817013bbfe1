"""Versions of what cached results come from.

A cached file is named by the versions of all that made it. Whoever changes what a stage computes raises its version, and
``tests/train/test_versions.py`` fails until that is done; moving or renaming code changes nothing.
"""

from __future__ import annotations

FRONTEND_VERSION = 1
"""From samples to utterances of frames: detector, gate, MFCC, segmentation, altered copies (``augmentation.clips``)."""

FITTING_VERSION = 1
"""From utterances to weights: ``augmentation.frames``, batches, layers, architectures, fit."""

BASELINE_VERSION = 1
"""From clips to the predictions of the baseline recipe."""

EXPORT_VERSION = 1
"""From weights to bundles: ``networks.stepping``, ``fitting.bundling`` and ``stream_ser_export``."""

EVALUATION_VERSION = 1
"""From bundles to the results of robustness and streaming tests: conditions, calibration, decision, labels over time."""


def versions() -> dict[str, int]:
    """All versions, by the name of their stage."""
    return {
        "frontend": FRONTEND_VERSION,
        "fitting": FITTING_VERSION,
        "baseline": BASELINE_VERSION,
        "export": EXPORT_VERSION,
        "evaluation": EVALUATION_VERSION,
    }
