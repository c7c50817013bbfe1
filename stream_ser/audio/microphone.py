"""A PortAudio input device as a source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.devices import Device, portaudio
from stream_ser.audio.ring import SampleRing
from stream_ser.audio.source import AudioError

_BLOCK = 0.01
"""Seconds that PortAudio gives at once: short beside a hop."""


class Microphone:
    """Captures an input device at the device's own rate, mixed to mono."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.name = device.name
        self.sample_rate = device.sample_rate
        self.overflows = 0
        self.failure: str | None = None
        self._stream: Any = None

    def start(self, ring: SampleRing) -> None:
        sounddevice = portaudio()
        channels = min(self._device.channels, 2)
        mono = np.zeros(self.sample_rate, np.float32)

        def capture(block: NDArray[np.float32], frames: int, _time: object, status: Any) -> None:
            if status:
                self.overflows += 1
            np.mean(block, axis=1, out=mono[:frames])
            ring.write(mono[:frames])

        try:
            self._stream = sounddevice.InputStream(
                device=self._device.number,
                samplerate=self.sample_rate,
                channels=channels,
                dtype="float32",
                blocksize=round(_BLOCK * self.sample_rate),
                latency="low",
                callback=capture,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise AudioError(
                f"cannot open {self.name!r} at {self.sample_rate} Hz: {error.args[0]};"
                " close what else uses it, or choose another of: stream-ser devices"
            ) from error

    def stop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
