"""What a hop costs in the common designs, beside ours, in one run: ``python benchmarks/peers.py [--json FILE]``.

Each processes the same three seconds of speech as it would once a hop. Needs the extras [train] and [bench].
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import librosa
import numpy as np
import opensmile
from python_speech_features import mfcc

from stream_ser.bench.load import load
from stream_ser.bench.speech import Samples, speech
from stream_ser.core.engine import Engine
from stream_ser.features import MfccSettings
from stream_ser.models.providers import ProviderChoice
from stream_ser.provenance import origin

HOP, WINDOW = 0.1, 3.0
"""Seconds."""
ROUNDS, REPEATS = 5, 8
RATE = MfccSettings().sample_rate


def common_design(window: Samples) -> Callable[[], object]:
    """Mean of 40 librosa MFCCs over the window, and ``predict`` of a Keras LSTM, as speech-emotion projects do it live."""
    import keras

    model = keras.Sequential(
        [keras.Input((40, 1)), keras.layers.LSTM(128), *(keras.layers.Dense(units, "relu") for units in (64, 32, 8))]
    )

    def hop() -> object:
        means = librosa.feature.mfcc(y=window, sr=RATE, n_mfcc=40).mean(axis=1)
        return model.predict(means[None, :, None], verbose=0)

    return hop


def peers(window: Samples) -> dict[str, Callable[[], object]]:
    """By name, what each does once a hop."""
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    smile.process_signal(window, RATE)  # before TensorFlow is loaded: afterwards its first call corrupts memory
    return {
        "librosa + Keras predict": common_design(window),
        "python_speech_features": lambda: mfcc(window, RATE, numcep=13, nfft=512),
        "openSMILE eGeMAPS": lambda: smile.process_signal(window, RATE),
    }


def milliseconds(hop: Callable[[], object]) -> list[float]:
    durations = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        hop()
        durations.append(1e3 * (time.perf_counter() - start))
    return durations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the results")
    out: Path | None = parser.parse_args().json
    window = speech(WINDOW, RATE)
    engine = Engine.open(provider=ProviderChoice.CPU, hop=HOP, window=WINDOW)
    others = peers(window)
    for hop in others.values():  # the first call of each compiles, loads and allocates
        hop()
    own_ms: list[float] = []
    peers_ms: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(ROUNDS):  # in turn, so that a busy machine slows all alike
        own_ms.append(load(engine, 1, 50).time.p50)
        for name, hop in others.items():
            peers_ms[name] += milliseconds(hop)
    own = float(np.median(own_ms))
    print(f"{'stream-ser, all of a hop':<28}{own:>9.2f} ms")
    found = {}
    for name, durations in peers_ms.items():
        median = float(np.median(durations))
        found[name] = {"ms": round(median, 3), "ratio": round(median / own, 1)}
        print(f"{name:<28}{median:>9.2f} ms, {median / own:.1f} times ours")
    if out is not None:
        result = {"ours_ms": round(own, 3), "peers": found, **origin("python benchmarks/peers.py")}
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
