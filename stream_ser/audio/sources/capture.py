"""An open input device whose blocks go into a ring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.devices import Device, portaudio, supported_rates
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.source import AudioError

STALL_TIMEOUT_S = 1.0
"""Time without a block after which a device counts as lost."""

FIRST_BLOCK_TIMEOUT_S = 2.0
"""Time that the first block may take after a device was opened."""

_BLOCK_S = 0.01
"""Audio that PortAudio delivers at once: short beside a hop."""

_INVALID_SAMPLE_RATE = -9997

_REMEDIES = {
    -9985: "another program uses it, or it is gone: close that program or plug it in again",
    -9996: "it is gone: plug it in again",
    _INVALID_SAMPLE_RATE: "it supports none of its rates: choose another device (stream-ser devices)",
    -9998: "it has fewer channels: choose another --channel",
}
"""What to do about errors of PortAudio, by their number (portaudio.h)."""


class CaptureError(AudioError):
    """The device does not open, or not now."""


def now() -> float:
    """Seconds, including those in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Capture:
    """Captures a device in mono until it is closed.

    Args:
        device: what to open.
        rate: at which, in Hz.
        channel: of the device, from 1; None for the mean of the first two.
        ring: takes the samples.
        latest: when the newest block of the stream came before this one was opened, on the clock of :func:`now`.
        on_overflow: called for each block that the device delivers incomplete.
        goes_on: whether the stream has begun, so that the time since ``latest`` is missing from it.

    Raises:
        sounddevice.PortAudioError: the device does not open so.
    """

    def __init__(
        self,
        device: Device,
        rate: int,
        channel: int | None,
        ring: SampleRing,
        latest: float,
        on_overflow: Callable[[], None],
        *,
        goes_on: bool,
    ) -> None:
        self.rate = rate
        self.latest = latest
        """When the newest block came."""
        self._channel, self._ring, self._goes_on, self._on_overflow = channel, ring, goes_on, on_overflow
        self._mono: NDArray[np.float32] = np.zeros(rate, np.float32)
        self._is_first = True
        self._stream = portaudio().InputStream(
            device=device.number,
            samplerate=rate,
            # Two at least, also for the first: of a device opened with one, a sound server gives the mean of all.
            channels=max(min(device.channels, 2), channel or 1),
            dtype="float32",
            blocksize=round(_BLOCK_S * rate),
            latency="low",
            callback=self._take_block,
        )
        self._opened = now()
        self._stream.start()

    @property
    def has_begun(self) -> bool:
        """Whether a block came."""
        return self.latest > self._opened

    def fault(self) -> str | None:
        """Why the device counts as lost; None while it works."""
        try:
            if not self._stream.active:
                return "the sound system stopped it"
        except portaudio().PortAudioError as error:
            return str(error)
        silent = now() - max(self.latest, self._opened)
        timeout = STALL_TIMEOUT_S if self.has_begun else FIRST_BLOCK_TIMEOUT_S
        return f"no sound for {silent:.0f} s" if silent > timeout else None

    def close(self) -> None:
        """Close the device; waits as long as the sound system hangs."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _take_block(self, block: NDArray[np.float32], frames: int, _time: object, status: Any) -> None:
        """PortAudio's callback, on a thread of its own: only copies."""
        if status:
            self._on_overflow()
        came = now()
        missing = came - self.latest - frames / self.rate
        if self._is_first or missing > STALL_TIMEOUT_S:
            # What a device takes to open for the first time is before the stream began.
            lost = max(0, round(missing * self.rate)) if self._goes_on else 0
            self._ring.interrupt(Discontinuity(lost, self.rate))
            self._is_first, self._goes_on = False, True
        self.latest = came
        mono = self._mono[:frames]
        if self._channel is None:
            np.mean(block, axis=1, out=mono)
        else:
            mono[:] = block[:, self._channel - 1]
        self._ring.write(mono)


def open_capture(
    device: Device, channel: int | None, ring: SampleRing, latest: float, on_overflow: Callable[[], None], *, goes_on: bool
) -> Capture:
    """Capture a device at its own rate, or at one that it supports; see :class:`Capture`.

    Raises:
        CaptureError: it does not open; the message says why and what to do.
    """
    sounddevice = portaudio()
    for rate in _rates(device):
        try:
            return Capture(device, rate, channel, ring, latest, on_overflow, goes_on=goes_on)
        except sounddevice.PortAudioError as error:
            number = int(error.args[1]) if len(error.args) > 1 else 0
            remedy = _REMEDIES.get(number, "check the sound server")
            failure = CaptureError(f"{device.name} does not open ({error.args[0]}); {remedy}")
            if number != _INVALID_SAMPLE_RATE:
                break
    raise failure


def _rates(device: Device) -> Iterator[int]:
    yield device.sample_rate
    yield from reversed(supported_rates(device))
