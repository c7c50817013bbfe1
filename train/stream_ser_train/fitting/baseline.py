"""The baseline: the recipe that this project began with, measured on the same splits.

The mean of 40 librosa MFCCs over the whole clip; scikit-learn's ``MLPClassifier((300,), alpha=0.01, batch_size=256)``;
and a Keras ``LSTM(128)-Dense(64)-Dense(32)-Dense(8)`` that reads the 40 means as if they were a sequence (project
Speech_Emotion_Recognition_MLP_LSTM).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import librosa
import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from stream_ser_export.atomic_write import atomic_write

from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.fitting.calibration import Predictions
from stream_ser_train.progress import Step
from stream_ser_train.versions import BASELINE_VERSION

SAMPLE_RATE = 16_000
COEFFICIENTS = 40
EPOCHS = 100

Means = NDArray[np.float32]
"""``float32[clips, 40]``"""


def clip_means(clips: Sequence[Clip], cache: Path, progress: Step) -> Means:
    """The mean MFCCs of each clip, from the cache or computed now."""
    folder = cache / "baseline"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for done, clip in enumerate(clips, start=1):
        key = hashlib.sha256(f"{BASELINE_VERSION} {clip.name} {clip.checksum}".encode()).hexdigest()[:24]
        file = folder / f"{key}.npy"
        if not file.exists():
            mfcc = librosa.feature.mfcc(y=clip.read(SAMPLE_RATE), sr=SAMPLE_RATE, n_mfcc=COEFFICIENTS)
            with atomic_write(file) as partial:
                np.save(partial, mfcc.mean(axis=1).astype(np.float32))
        rows.append(np.load(file))
        progress(done, len(clips))
    return np.stack(rows)


def baseline_mlp(means: Means, emotions: Sequence[int], test: Means, seed: int, epochs: int = EPOCHS) -> Predictions:
    """Fit the MLP and return its probabilities for ``test``, ``float32[clips, emotion]``."""
    del epochs  # it stops by itself
    model = MLPClassifier(
        hidden_layer_sizes=(300,), alpha=0.01, batch_size=min(256, len(means)), max_iter=500, random_state=seed
    )
    model.fit(means, emotions)
    predictions = np.zeros((len(test), len(EMOTIONS)), np.float32)
    predictions[:, model.classes_] = model.predict_proba(test)
    return predictions


def baseline_lstm(means: Means, emotions: Sequence[int], test: Means, seed: int, epochs: int = EPOCHS) -> Predictions:
    """Fit the LSTM and return its probabilities for ``test``, ``float32[clips, emotion]``."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((COEFFICIENTS, 1)),
            keras.layers.LSTM(128),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(len(EMOTIONS), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(means[:, :, None], np.array(emotions), epochs=epochs, verbose=0)
    predictions: Predictions = model.predict(test[:, :, None], verbose=0)
    return predictions


BASELINES: dict[str, Callable[[Means, Sequence[int], Means, int, int], Predictions]] = {
    "original_lstm": baseline_lstm,
    "original_mlp": baseline_mlp,
}
"""By the name that results have."""
