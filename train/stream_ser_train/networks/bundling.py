"""From a trained network to the files that the daemon loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from stream_ser_export.convert import export_bundle, export_stepped

from stream_ser.models.bundle import STEPPED, Metadata
from stream_ser_train.evaluation.predict import stepped
from stream_ser_train.fitting.batches import Batch
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, answering, joined
from stream_ser_train.networks.stepping import SteppingLstm


def write_bundles(
    networks: Sequence[keras.Model],
    settings: LstmSettings | MlpSettings,
    temperature: float,
    trained: NDArray[np.float64],
    metadata: Metadata,
    probe: Batch,
    file: Path,
) -> float:
    """Export the networks of one model to ``file``, and an LSTM also to :func:`stream_ser_train.evaluation.predict.stepped`.

    Args:
        networks: one of each fit; each gives logits of its members.
        settings: what each was built from.
        temperature: what the logits are divided by.
        trained: :func:`stream_ser_train.fitting.calibration.shares` of the clips it was trained on.
        metadata: goes into the files.
        probe: real windows to compare Keras and ONNX on.
        file: where the bundle is written, last.

    Returns:
        The largest difference between the two, over all probabilities.

    Raises:
        ParityError: they disagree.
    """
    windowed = calibrated(joined(networks), temperature, trained)
    difference = 0.0
    if isinstance(settings, LstmSettings):
        stepping = SteppingLstm(networks, settings, temperature, trained)
        described = replace(metadata, name=STEPPED, step=settings.stack)
        difference = export_stepped(stepping, windowed, described, probe.mfcc, probe.length, stepped(file))
    return max(difference, export_bundle(windowed, metadata, probe.mfcc, probe.length, file))


def calibrated(network: keras.Model, temperature: float, trained: NDArray[np.float64]) -> keras.Model:
    """The network as it ships: answers as :func:`stream_ser_train.evaluation.predict.calibrate` would make them."""
    evened = keras.Model(network.inputs, network.output - temperature * np.log(trained).astype(np.float32), name=network.name)
    return answering(evened, temperature)
