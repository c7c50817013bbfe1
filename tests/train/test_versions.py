"""Cached results are named by versions: what a stage computes does not change without a new version.

The figures of each version are in ``golden.json``. They are compared with a tolerance, which leaves room for how processors
round. To store those of a new version: ``STREAM_SER_STORE_FIGURES=1 pytest tests/train/test_versions.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from signals import voice
from speech_corpus import clip
from stream_ser_export.convert import step_through
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ClipUtterances, ReplayDetector, extract_copies
from stream_ser_train.evaluation.predict import CalibratedBundle, StreamModels
from stream_ser_train.evaluation.robustness import CONDITIONS
from stream_ser_train.evaluation.streaming import labels_in_time
from stream_ser_train.fitting.baseline import BASELINES, clip_means
from stream_ser_train.fitting.batches import TrainingSet, pad
from stream_ser_train.fitting.bundling import stepping_file, write_bundles
from stream_ser_train.fitting.calibration import calibrate, class_priors, fit_temperature
from stream_ser_train.fitting.fit import fit
from stream_ser_train.fitting.recipe import FitSettings
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, Scale, build
from stream_ser_train.progress import silent
from stream_ser_train.versions import versions
from tiny_bundles import metadata, write_tiny_bundles

from stream_ser.audio.sources.file import DEMO
from stream_ser.core.backend import NumpyBackend
from stream_ser.core.offline import recognize
from stream_ser.events import Emotion
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import load_bundle
from stream_ser.models.classifier import ModelFacts, ModelInput
from stream_ser.models.providers import CPU
from stream_ser.speech.detector import VoiceActivity, detect
from stream_ser.state_rows import StateRows

pytestmark = pytest.mark.training

GOLDEN = Path(__file__).with_name("golden.json")
STORE = "STREAM_SER_STORE_FIGURES"
RATE = 16_000
LSTM = LstmSettings(members=1, projection=8, units=12, attention=6)
MLP = MlpSettings(members=2, units=(16,))

Figures = dict[str, list[float]]
"""Numbers that stand for the output of a stage, by name."""


def demo() -> NDArray[np.float32]:
    samples, rate = soundfile.read(DEMO, dtype="float32")
    assert rate == RATE
    return np.asarray(samples[: 10 * RATE])


def signals() -> dict[str, NDArray[np.float32]]:
    """Speech; the same 40 dB quieter; over background talk that fades in; and in bursts, the shortest without a label."""
    speech = demo()
    bursts = [np.pad(speech[RATE : RATE + length], (0, RATE * 6 // 10)) for length in range(2_000, 14_000, 2_000)]
    fade = np.linspace(0.0, 0.6, len(speech), dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    return {
        "speech": speech,
        "quiet": speech * np.float32(10 ** (-40 / 20)),
        "background": speech + fade * np.roll(speech[::-1], RATE) + np.float32(0.003) * noise,
        "bursts": 3.0 * np.concatenate(bursts),
    }


def written(name: str, samples: NDArray[np.float32], folder: Path) -> Clip:
    file = folder / f"{name}.wav"
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    return Clip(name, 2, "test 01", file)


def frontend(folder: Path) -> Figures:
    """Output of the detector; and of each signal and one altered copy, the frames of utterances and their statistics."""
    figures: Figures = {}
    for name, samples in signals().items():
        figures[f"{name} speech"] = [frame.speech for frame in detect(VoiceActivity(), samples)[::8]]
        by_copy = extract_copies(written(name, samples, folder), CopySettings(count=1), MfccSettings())
        for copy, utterances in enumerate(by_copy):
            figures[f"{name} {copy} frames"] = [float(len(frames)) for frames in utterances]
            for number, frames in enumerate(utterances):
                statistics = [*frames.mean(axis=0)[:8], *frames.std(axis=0)[:8], *frames[len(frames) // 2, :4]]
                figures[f"{name} {copy} utterance {number}"] = [float(value) for value in statistics]
    return figures


def toy() -> list[ClipUtterances]:
    """Clips of random frames whose emotion shifts the first coefficient."""
    rng = np.random.default_rng(0)
    items = []
    for actor in range(1, 5):
        for emotion in range(1, 9):
            length = 90 + 10 * emotion if actor > 1 else 290 + 10 * emotion  # also more than a window
            frames = rng.standard_normal((length, 30)).astype(np.float32)
            frames[:, 0] += 0.5 * emotion
            items.append(ClipUtterances(clip(emotion, actor), ((frames,), (frames + 0.1,))))
    return items


def fitting(folder: Path) -> Figures:
    """Lengths and means of the batches of an epoch, and the losses of a few epochs of either network."""
    del folder
    figures: Figures = {}
    batches = list(TrainingSet(toy(), unaltered_share=0.3).batches(2, np.random.default_rng(1)))
    figures["batch lengths"] = [float(length) for batch in batches for length in batch.length]
    figures["batch means"] = [float(batch.mfcc.mean()) for batch in batches]
    settings, features = FitSettings(epochs=3, batch=16), MfccSettings(filters=40, coefficients=30)
    for name, network in (("lstm", LSTM), ("mlp", MLP)):
        _, history = fit(network, settings, features, toy(), 0)
        figures[f"{name} losses"] = history.loss
    return figures


def fixed(network: LstmSettings | MlpSettings) -> keras.Model:
    """A network with drawn weights: none that an initialiser of this or that version of Keras would choose."""
    rng, coefficients = np.random.default_rng(0), MfccSettings().coefficients
    model = build(coefficients, Scale(np.zeros(coefficients), np.ones(coefficients)), network)
    # Vectors are positive: a variance is among them.
    model.set_weights([rng.uniform(-0.2 if w.ndim > 1 else 0.1, 0.3, w.shape) for w in model.get_weights()])
    return model


def export(folder: Path) -> Figures:
    """Probabilities of exported bundles, for windows of several lengths."""
    rng, figures = np.random.default_rng(0), {}
    lengths = (36, 120, 300)
    windows = [rng.standard_normal((length, MfccSettings().coefficients)).astype(np.float32) for length in lengths]
    batch = pad(windows, [0] * len(windows))
    priors = class_priors([0, 1, 1, 2, 3, 4, 5, 6, 7])
    for name, network in (("lstm", LSTM), ("mlp", MLP)):
        file = folder / f"{name}.onnx"
        write_bundles([fixed(network), fixed(network)], network, 0.8, priors, metadata(name), batch, file)
        session = load_bundle(file, MfccSettings(), [CPU]).session
        (probabilities,) = session.run(["probabilities"], {"mfcc": batch.mfcc, "length": batch.length})
        figures[name] = [float(value) for value in probabilities.ravel()]
    session = load_bundle(stepping_file(folder / "lstm.onnx"), MfccSettings(), [CPU]).session
    stepped = [step_through(session, window, LSTM.stack) for window in windows]
    figures["lstm-step"] = [float(value) for value in np.concatenate(stepped)]
    return figures


def evaluation(folder: Path) -> Figures:
    """Each condition's effect on a signal, calibration of drawn predictions, and the labels of a streamed signal."""
    figures: Figures = {}
    samples = voice(1.0, np.random.default_rng(0))
    others = [voice(1.0 + 0.1 * number, np.random.default_rng(number)) for number in range(7)]
    for name, alter in CONDITIONS.items():
        if name in {"mp3", "opus"}:
            continue  # what the codecs of libsndfile compute is theirs
        altered = alter(samples, RATE, np.random.default_rng(1), others)
        figures[name] = [float(np.sqrt(np.mean(altered**2))), float(np.abs(np.diff(altered)).mean())]
    rng = np.random.default_rng(2)
    truth = rng.integers(8, size=200)
    predictions = rng.dirichlet(np.ones(8) / 2, 200).astype(np.float32)
    predictions[np.arange(200), truth] += 0.5
    predictions /= predictions.sum(axis=1, keepdims=True)
    found = fit_temperature(predictions, truth.tolist())
    figures["temperature"] = [found]
    figures["calibrated"] = calibrate(predictions, found, class_priors(truth.tolist()))[:4].ravel().tolist()

    replay = ReplayDetector(detect(VoiceActivity(), demo()), 1.0)
    events = recognize(NumpyBackend(MfccSettings(), SpectralTilt(), detector=replay), demo())
    figures["labels"] = [float(label) for label in labels_in_time(events)]
    # Two models in steps and windows, fused and smoothed, as the daemon runs them.
    write_tiny_bundles(folder)
    (folder / "lstm-step.onnx").replace(stepping_file(folder / "lstm.onnx"))
    pair = [CalibratedBundle(name, folder / f"{name}.onnx", 6.0, tuple(range(8))) for name in ("lstm", "mlp")]
    backend = NumpyBackend(MfccSettings(), StreamModels(pair, MfccSettings(), 3.0), detector=replay)
    emotions = [event for event in recognize(backend, demo()) if isinstance(event, Emotion)]
    figures["fused"] = [value for event in emotions[::3] for value in event.probabilities.values()]
    figures["smoothed labels"] = [float(EMOTIONS.index(event.label)) for event in emotions]
    return figures


class SpectralTilt:
    """A model without weights: the softmax of a window's mean coefficients."""

    facts = ModelFacts(("tilt",), EMOTIONS, step=4, fusion_temperature=1.0, threshold=0.0)

    def new_state(self, rows: int) -> StateRows:
        return StateRows()

    def classify(self, state: StateRows, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        logits = np.stack([0.3 * one.frames[:, 1:9].mean(axis=0) for one in inputs])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)[:, None]


def baseline(folder: Path) -> Figures:
    """Mean MFCCs of a clip, and predictions of either model of the baseline."""
    rng = np.random.default_rng(0)
    means = clip_means([written("speech", demo(), folder)], folder, silent)
    emotions = [number % 8 for number in range(24)]
    train = rng.standard_normal((24, 40)).astype(np.float32) + np.array(emotions, np.float32)[:, None]
    figures = {"means": [float(value) for value in means[0, :12]]}
    for name, predict in BASELINES.items():
        figures[name] = [float(value) for value in predict(train, emotions, train[:3], 0, 2).ravel()]
    return figures


STAGES: Mapping[str, Callable[[Path], Figures]] = {
    "frontend": frontend,
    "fitting": fitting,
    "baseline": baseline,
    "export": export,
    "evaluation": evaluation,
}

TOLERANCE = {"frontend": 2e-2, "fitting": 1e-2, "baseline": 1e-2, "export": 1e-3, "evaluation": 5e-3}
"""Largest difference of two figures; see how processors round in the fits."""


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_does_not_change_without_a_new_version(stage: str, tmp_path: Path) -> None:
    version, figures = str(versions()[stage]), STAGES[stage](tmp_path)
    stored: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    golden = stored.setdefault(stage, {})
    if version not in golden and os.environ.get(STORE):
        golden[version] = {name: [round(value, 3) for value in row] for name, row in figures.items()}
        GOLDEN.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    advice = f"and store its figures: {STORE}=1 pytest tests/train/test_versions.py"
    assert version in golden, f"{stage} has no figures of version {version}; run it {advice}"
    changed = [
        name
        for name in sorted({*golden[version], *figures})
        if not _agree(golden[version].get(name), figures.get(name), TOLERANCE[stage])
    ]
    assert not changed, f"{', '.join(changed)} changed: raise {stage.upper()}_VERSION {advice}"


def test_every_version_has_a_stage() -> None:
    assert set(versions()) == set(STAGES)


def _agree(stored: list[float] | None, computed: list[float] | None, tolerance: float) -> bool:
    if stored is None or computed is None or len(stored) != len(computed):
        return False
    return bool(np.allclose(stored, computed, atol=tolerance, rtol=1e-3))
