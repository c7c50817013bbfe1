"""A PortAudio input device as a source that may come and go."""

from __future__ import annotations

import atexit
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.devices import (
    Device,
    NoDeviceError,
    find_device,
    input_devices,
    portaudio,
    refresh_devices,
    silenced_stderr,
    supported_rates,
)
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.source import AudioError, OnStateChange, SourceState

STALL_TIMEOUT_S = 1.0
"""Time without a block after which a device counts as lost."""

FIRST_BLOCK_TIMEOUT_S = 2.0
"""Time that the first block may take after a device was opened."""

MAX_RETRY_INTERVAL_S = 2.0
"""Between two attempts to open a lost device, at most; the first attempt comes at once."""

DEFAULT_RATE_HZ = 48_000
"""Of a device that is not known yet."""

_BLOCK_S = 0.01
"""Audio that PortAudio delivers at once: short beside a hop."""

_POLL_INTERVAL_S = 0.25
"""Between two checks of an open device."""

_CLOSE_TIMEOUT_S = 1.0
"""Time that a device may take to be closed at the end."""

_ALSA_ADDRESS = re.compile(r" \(hw:\d+,\d+\)$")
"""Part of a device's name that changes when it is plugged in again."""

_REMEDIES = {
    -9985: "another program uses it, or it is gone: close that program or plug it in again",
    -9996: "it is gone: plug it in again",
    -9997: "it supports none of its rates: choose another device (stream-ser devices)",
    -9998: "it has fewer channels: choose another --channel",
}
"""What to do about errors of PortAudio, by their number (portaudio.h)."""


def _rates(device: Device) -> Iterator[int]:
    yield device.sample_rate
    yield from reversed(supported_rates(device))


def _now() -> float:
    """Seconds, including those in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Microphone:
    """Captures an input device at a rate of its own, in mono, for as long as it is there; waits for it where it is not.

    A device that is gone, gives no block for :data:`STALL_TIMEOUT_S` or is not there at the start is reported as lost. It is
    opened again when it is back, recognised by its name; no other is opened in its place.

    Args:
        wanted: number of the device or part of its name; None for the one that is the default at the start.
        channel: of the device, from 1; None for the mean of the first two.
    """

    def __init__(self, wanted: str | None, channel: int | None = None) -> None:
        self._wanted, self._channel = wanted, channel
        self.name = "the default input" if wanted is None else wanted
        self.host_api = ""
        self.sample_rate = 0
        self.overflows = 0
        self.failure: str | None = None
        self._stream: Any = None
        self._lost = False
        self._counting = False
        """Whether the stream has begun, so that time without sound is missing from it."""
        self._change: tuple[str | None, int | None] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        self._ring, self._on_state_change = ring, on_state_change
        self._latest = _now()
        """When the newest block came, or the start."""
        portaudio()
        with silenced_stderr():
            self._try_to_open()
        self._thread = threading.Thread(target=self._watch, name="microphone", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)
            if self._thread.is_alive():
                # In a sound system that hangs. At exit sounddevice would wait for it too, and close the stream twice.
                atexit.unregister(portaudio()._exit_handler)
                return
        self._close()

    def change(self, wanted: str | None, channel: int | None) -> None:
        """Capture another device, or another channel, from the next check on."""
        self._change = wanted, channel

    def _watch(self) -> None:
        pause = _POLL_INTERVAL_S
        while not self._stop.wait(pause):
            if self._change is not None:
                (self._wanted, self._channel), self._change = self._change, None
                self._report_loss("the settings name another")
                self._close()
                pause = 0.0
            elif self._stream is None:
                with silenced_stderr():
                    refresh_devices()
                    self._try_to_open()
                pause = _POLL_INTERVAL_S if self._stream is not None else min(2.0 * pause, MAX_RETRY_INTERVAL_S)
            elif (reason := self._fault()) is not None:
                self._report_loss(f"{self.name}: {reason}")  # first: closing waits as long as the sound system hangs
                self._close()
                pause = _POLL_INTERVAL_S
            elif self._lost and self._latest > self._opened:
                self._lost = False
                self._on_state_change(SourceState.RESTORED, "")

    def _fault(self) -> str | None:
        """Why the open device counts as lost; None while it works."""
        try:
            if not self._stream.active:
                return "the sound system stopped it"
        except portaudio().PortAudioError as error:
            return str(error)
        silent = _now() - max(self._latest, self._opened)
        timeout = STALL_TIMEOUT_S if self._latest > self._opened else FIRST_BLOCK_TIMEOUT_S
        return f"no sound for {silent:.0f} s" if silent > timeout else None

    def _report_loss(self, reason: str) -> None:
        self._lost = self._counting = True
        self._ring.interrupt(Discontinuity(0, self.sample_rate or DEFAULT_RATE_HZ))  # ends the utterance in progress
        self._on_state_change(SourceState.LOST, reason)

    def _try_to_open(self) -> None:
        try:
            device = find_device(self._wanted, input_devices())
        except AudioError as error:
            if self._thread is None and not isinstance(error, NoDeviceError):
                raise
            if not self._lost:
                self._report_loss(str(error))
            return
        # From now on this one, wherever it is plugged in.
        self._wanted = _ALSA_ADDRESS.sub("", device.name)
        self.name, self.host_api = device.name, device.host_api
        reason = self._open(device)
        if reason is not None and not self._lost:
            self._report_loss(reason)

    def _open(self, device: Device) -> str | None:
        """Open it at its own rate, or at one that it supports; return why not, if it does not open."""
        sounddevice = portaudio()
        reason = None
        for rate in _rates(device):
            try:
                self._start_stream(sounddevice, device, rate)
            except sounddevice.PortAudioError as error:
                number = int(error.args[1]) if len(error.args) > 1 else 0
                reason = f"{device.name} does not open ({error.args[0]}); {_REMEDIES.get(number, 'check the sound server')}"
                if number != -9997:
                    break
            else:
                return None
        return reason

    def _start_stream(self, sounddevice: Any, device: Device, rate: int) -> None:
        # Two at least, also for the first: of a device opened with one, a sound server gives the mean of all.
        channels = max(min(device.channels, 2), self._channel or 1)
        mono, first = np.zeros(rate, np.float32), True

        def capture(block: NDArray[np.float32], frames: int, _time: object, status: Any) -> None:
            nonlocal first
            if status:
                self.overflows += 1
            now = _now()
            missing = now - self._latest - frames / rate
            if first or missing > STALL_TIMEOUT_S:
                # What a device takes to open for the first time is before the stream began.
                self._ring.interrupt(Discontinuity(max(0, round(missing * rate)) if self._counting else 0, rate))
                first, self._counting = False, True
            self._latest = now
            if self._channel is None:
                np.mean(block, axis=1, out=mono[:frames])
            else:
                mono[:frames] = block[:, self._channel - 1]
            self._ring.write(mono[:frames])

        stream = sounddevice.InputStream(
            device=device.number,
            samplerate=rate,
            channels=channels,
            dtype="float32",
            blocksize=round(_BLOCK_S * rate),
            latency="low",
            callback=capture,
        )
        self.sample_rate, self._opened = rate, _now()
        stream.start()
        self._stream = stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
            self._stream = None
