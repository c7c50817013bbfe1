"""A PortAudio input device as a source that may come and go."""

from __future__ import annotations

import atexit
import re
import threading

from stream_ser.audio.devices import (
    NoDeviceError,
    find_device,
    input_devices,
    portaudio,
    refresh_devices,
    silenced_stderr,
)
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.capture import Capture, CaptureError, now, open_capture
from stream_ser.audio.sources.source import AudioError, OnStateChange, SourceState

MAX_RETRY_INTERVAL_S = 2.0
"""Between two attempts to open a lost device, at most; the first attempt comes at once."""

DEFAULT_RATE_HZ = 48_000
"""Of a device that is not known yet."""

_POLL_INTERVAL_S = 0.25
"""Between two checks of an open device."""

_CLOSE_TIMEOUT_S = 1.0
"""Time that a device may take to be closed at the end."""

_ALSA_ADDRESS = re.compile(r" \(hw:\d+,\d+\)$")
"""Part of a device's name that changes when it is plugged in again."""


class Microphone:
    """Captures an input device at a rate of its own, in mono, for as long as it is there; waits for it where it is not.

    A device that is gone, delivers no block for a while or is not there at the start is reported as lost. It is opened again
    when it is back, recognised by its name; no other is opened in its place.

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
        """Blocks that the device delivered incomplete, so far."""
        self.failure: str | None = None
        self._capture: Capture | None = None
        self._lost = self._was_lost = False
        self._change: tuple[str | None, int | None] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        self._ring, self._on_state_change = ring, on_state_change
        self._latest = now()
        """When the newest block of a device that was closed came, or the start."""
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
            elif self._capture is None:
                with silenced_stderr():
                    refresh_devices()
                    self._try_to_open()
                pause = _POLL_INTERVAL_S if self._capture is not None else min(2.0 * pause, MAX_RETRY_INTERVAL_S)
            elif (reason := self._capture.fault()) is not None:
                self._report_loss(f"{self.name}: {reason}")  # first: closing waits as long as the sound system hangs
                self._close()
                pause = _POLL_INTERVAL_S
            elif self._lost and self._capture.has_begun:
                self._lost = False
                self._on_state_change(SourceState.RESTORED, "")

    def _report_loss(self, reason: str) -> None:
        self._lost = self._was_lost = True
        self._ring.interrupt(Discontinuity(0, self.sample_rate or DEFAULT_RATE_HZ))  # ends the utterance in progress
        self._on_state_change(SourceState.LOST, reason)

    def _try_to_open(self) -> None:
        try:
            device = find_device(self._wanted, input_devices())
            # From now on this one, wherever it is plugged in.
            self._wanted = _ALSA_ADDRESS.sub("", device.name)
            self.name, self.host_api = device.name, device.host_api
            self._capture = open_capture(
                device, self._channel, self._ring, self._latest, self._count_overflow, goes_on=self._was_lost
            )
            self.sample_rate = self._capture.rate
        except AudioError as error:
            if self._thread is None and not isinstance(error, (NoDeviceError, CaptureError)):
                raise
            if not self._lost:
                self._report_loss(str(error))

    def _count_overflow(self) -> None:
        self.overflows += 1

    def _close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._latest = self._capture.latest
            self._capture = None
