"""Makes stream_ser/audio/demo.flac: a synthetic voice that moves between calm and agitated.

Needs espeak-ng. Run from the root of the repository: python docs/demo/make_demo.py
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
VOICE = "en-us+f5"
# (words, words a minute, pitch 0-99, peak level, silence after in seconds)
LINES = [
    ("The house is quiet this morning, and the coffee is warm.", 110, 20, 0.03, 1.2),
    ("There is nothing to do, and nowhere to go.", 130, 40, 0.03, 1.3),
    ("What is that? There is smoke in the kitchen!", 200, 80, 0.06, 0.9),
    ("Get out! Get out now! Leave everything and run!", 235, 95, 0.5, 1.3),
    ("All right. It was only the toast.", 120, 30, 0.03, 1.2),
]


def speak(words: str, speed: int, pitch: int) -> np.ndarray:
    """The words at full scale."""
    command = ["espeak-ng", "--stdout", "-v", VOICE, "-s", str(speed), "-p", str(pitch), words]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    spoken = soxr.resample(samples, rate, RATE)
    return spoken / np.abs(spoken).max()


def main() -> None:
    room = np.random.default_rng(0)
    parts = [np.zeros(RATE)]
    for words, speed, pitch, level, pause in LINES:
        parts += [level * speak(words, speed, pitch), np.zeros(round(pause * RATE))]
    signal = np.concatenate(parts)
    signal += 2e-4 * room.standard_normal(len(signal))
    target = Path(__file__).parents[2] / "stream_ser/audio/demo.flac"
    soundfile.write(target, np.clip(signal, -1, 1), RATE, subtype="PCM_16")
    print(f"{target}: {len(signal) / RATE:.1f} s, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
