"""A sound file as a source, at the pace of a microphone or as fast as it is processed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from stream_ser.audio.ring import SampleRing
from stream_ser.audio.sources.source import AudioError, OnStateChange

DEMO = Path(__file__).parents[1] / "demo.flac"
"""The recording behind ``--input demo``; made by docs/demo/make_demo.py."""

_BLOCK_S = 0.02
"""Audio written at once, like a sound card's block."""

_ROOM_POLL_S = 0.1
"""Between two checks of whether to stop, while the ring is full."""


class FileSource:
    """Plays a file of any rate, width and number of channels into a ring, then ends it.

    Args:
        realtime: keep the pace of a microphone; otherwise write whenever the ring has room, losing nothing.

    Raises:
        AudioError: the file is missing, unreadable or empty.
    """

    def __init__(self, path: Path, *, realtime: bool) -> None:
        self._path = path
        self._realtime = realtime
        try:
            info = soundfile.info(path)
        except (soundfile.SoundFileError, OSError) as error:
            why = "no such file" if not path.exists() else str(error)
            raise AudioError(f"cannot read {path}: {why}; --input must be a WAV, FLAC or OGG file, or demo") from error
        if info.frames == 0:
            raise AudioError(f"{path} holds no sound; --input must be a WAV, FLAC or OGG file, or demo")
        self.sample_rate = int(info.samplerate)
        self.name = path.name
        self.host_api = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None
        self.overflows = 0

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        del on_state_change  # a file is not lost
        self._thread = threading.Thread(target=self._play, args=(ring,), name="file source", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _play(self, ring: SampleRing) -> None:
        length = round(_BLOCK_S * self.sample_rate)
        begin = time.monotonic()
        written = 0
        try:
            for second in soundfile.blocks(self._path, self.sample_rate, dtype="float32", always_2d=True):
                mono = to_mono(second)
                for start in range(0, len(mono), length):
                    block = mono[start : start + length]
                    if not self._wait(ring, len(block), begin + (written + len(block)) / self.sample_rate):
                        return
                    ring.write(block)
                    written += len(block)
        except soundfile.SoundFileError as error:
            self.failure = str(error)
        finally:
            ring.end()

    def _wait(self, ring: SampleRing, samples: int, due: float) -> bool:
        """Wait for the block's time, or for room; return False when stopped."""
        if self._realtime:
            return not self._stop.wait(max(0.0, due - time.monotonic()))
        while ring.room < samples:
            ring.drained.wait(_ROOM_POLL_S)
            if self._stop.is_set():
                return False
        return not self._stop.is_set()


def to_mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the channels of ``[samples, channels]``."""
    if block.shape[1] == 1:
        return block[:, 0]
    mixed: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mixed
