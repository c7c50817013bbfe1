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
# (words, voice, words a minute, pitch 0-99, amplitude, silence after in seconds)
LINES = [
    ("The house is quiet this morning, and the coffee is warm.", "en-us+f3", 135, 38, 45, 1.2),
    ("There is nothing to do, and nowhere to go.", "en-us+f3", 125, 34, 40, 1.3),
    ("What is that? There is smoke in the kitchen!", "en-us+f3", 215, 85, 150, 0.9),
    ("Get out! Get out now! Leave everything and run!", "en-us+f3", 235, 95, 190, 1.3),
    ("All right. It was only the toast.", "en-us+f3", 130, 36, 45, 1.2),
]


def speak(words: str, voice: str, speed: int, pitch: int, amplitude: int) -> np.ndarray:
    command = ["espeak-ng", "--stdout", "-v", voice, "-s", str(speed), "-p", str(pitch), "-a", str(amplitude), words]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return soxr.resample(samples, rate, RATE)


def main() -> None:
    room = np.random.default_rng(0)
    parts = [np.zeros(RATE)]
    for words, voice, speed, pitch, amplitude, pause in LINES:
        parts += [0.6 * speak(words, voice, speed, pitch, amplitude), np.zeros(round(pause * RATE))]
    signal = np.concatenate(parts)
    signal += 2e-4 * room.standard_normal(len(signal))
    target = Path(__file__).parents[2] / "stream_ser/audio/demo.flac"
    soundfile.write(target, np.clip(signal, -1, 1), RATE, subtype="PCM_16")
    print(f"{target}: {len(signal) / RATE:.1f} s, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
