"""From fitted networks to the files that the daemon loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from stream_ser_export.convert import export_bundle, export_stepping

from stream_ser.models.bundle import STEPPED, Metadata
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.fitting.batches import Batch, final_window, pad
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, join_networks, with_softmax
from stream_ser_train.networks.stepping import SteppingLstm

_PARITY_WINDOWS = 64


def write_bundles(
    networks: Sequence[keras.Model],
    settings: LstmSettings | MlpSettings,
    temperature: float,
    priors: NDArray[np.float64],
    metadata: Metadata,
    windows: Batch,
    file: Path,
) -> float:
    """Export the networks of one model to ``file``, and an LSTM also to :func:`stepping_file`.

    Args:
        networks: one of each fit; each returns the logits of its members.
        settings: what each was built from.
        temperature: what the logits are divided by.
        priors: :func:`stream_ser_train.fitting.calibration.class_priors` of the clips it was trained on.
        metadata: goes into the files.
        windows: real windows to compare Keras and ONNX on.
        file: where the bundle is written, last.

    Returns:
        The largest difference between the two, over all probabilities.

    Raises:
        ParityError: they disagree.
    """
    windowed = with_calibration(join_networks(networks), temperature, priors)
    difference = 0.0
    if isinstance(settings, LstmSettings):
        stepping = SteppingLstm(networks, settings, temperature, priors)
        stepping_metadata = replace(metadata, name=STEPPED, step=settings.stack)
        difference = export_stepping(stepping, windowed, stepping_metadata, windows.mfcc, windows.length, stepping_file(file))
    return max(difference, export_bundle(windowed, metadata, windows.mfcc, windows.length, file))


def stepping_file(file: Path) -> Path:
    """Where the LSTM as a recurrence is, beside the windowed LSTM in ``file``."""
    return file.with_stem(f"{file.stem}-step")


def with_calibration(network: keras.Model, temperature: float, priors: NDArray[np.float64]) -> keras.Model:
    """The network as it ships: its output is calibrated as by :func:`stream_ser_train.fitting.calibration.calibrate`."""
    logits = network.output - temperature * np.log(priors).astype(np.float32)
    return with_softmax(keras.Model(network.inputs, logits, name=network.name), temperature)


def parity_windows(utterances: Sequence[ClipUtterances]) -> Batch:
    """Real windows of many lengths to compare Keras and ONNX on."""
    windows = [final_window(frames) for item in utterances for frames in item.copies[0]]
    chosen = windows[:: max(1, len(windows) // _PARITY_WINDOWS)][:_PARITY_WINDOWS]
    return pad(chosen, [0] * len(chosen))
