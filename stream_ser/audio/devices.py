"""The input devices of PortAudio, which is loaded at the first use."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from stream_ser.audio.sources.source import AudioError


@dataclass(frozen=True, slots=True)
class Device:
    """An input device."""

    number: int
    name: str
    host_api: str
    channels: int
    sample_rate: int
    """Its own rate, in Hz."""
    is_default: bool


class NoDeviceError(AudioError):
    """There is no such device, or not now."""


def portaudio() -> ModuleType:
    """The sounddevice module.

    Raises:
        AudioError: the PortAudio library is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise AudioError(f"{error}; install PortAudio (Debian: apt install libportaudio2), or use --input FILE") from error
    module: ModuleType = sounddevice
    return module


def input_devices() -> list[Device]:
    """Every input device, in PortAudio's order.

    Raises:
        AudioError: the PortAudio library is not installed, or does not start.
    """
    sounddevice = portaudio()
    try:
        hosts = sounddevice.query_hostapis()
        default = sounddevice.default.device[0]
        return [
            Device(
                number=number,
                name=str(entry["name"]),
                host_api=str(hosts[entry["hostapi"]]["name"]),
                channels=int(entry["max_input_channels"]),
                sample_rate=round(entry["default_samplerate"]),
                is_default=number == default,
            )
            for number, entry in enumerate(sounddevice.query_devices())
            if entry["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise NoDeviceError(f"PortAudio does not start: {error}; check the sound server") from error


def refresh_devices() -> None:
    """Restart PortAudio, which lists devices only when it starts. No stream of this process may be open."""
    sounddevice = portaudio()
    for restart in (sounddevice._terminate, sounddevice._initialize):
        with contextlib.suppress(sounddevice.PortAudioError):
            restart()


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what PortAudio and ALSA print on standard error besides the error that they return.

    Only for output of C code: ``sys.stderr`` should have a descriptor of its own (:func:`separate_stderr`).
    """
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def separate_stderr() -> None:
    """Give ``sys.stderr`` a descriptor of its own, so that :func:`silenced_stderr` discards no line of ours."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)


RATES_HZ = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
"""Rates that devices are checked for."""


def supported_rates(device: Device) -> list[int]:
    """Those of :data:`RATES_HZ` at which the device could be opened now."""
    sounddevice = portaudio()
    supported = []
    for rate in RATES_HZ:
        with contextlib.suppress(sounddevice.PortAudioError):
            sounddevice.check_input_settings(device.number, min(device.channels, 2), "float32", samplerate=rate)
            supported.append(rate)
    return supported


def find_device(wanted: str | None, devices: list[Device]) -> Device:
    """The device with the number or name ``wanted``, or the default one when None.

    A name may be a part of the full name, in any case, as long as one device has it.

    Raises:
        NoDeviceError: there is no input device, or none such.
        AudioError: there are several such.
    """
    if not devices:
        raise NoDeviceError(
            "no input device; connect a microphone and list the devices with: stream-ser devices, or use --input FILE"
        )
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    if wanted.isdigit():
        for device in devices:
            if device.number == int(wanted):
                return device
        numbers = ", ".join(str(device.number) for device in devices)
        raise NoDeviceError(f"no input device {wanted}; the input devices are {numbers} (stream-ser devices)")
    exact = [device for device in devices if device.name.lower() == wanted.lower()]
    found = exact or [device for device in devices if wanted.lower() in device.name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{device.number} {device.name!r}" for device in found)
        raise AudioError(f"several input devices match {wanted!r}: {names}; give more of the name, or the number")
    names_of = {device.name.lower(): device.name for device in devices}
    import difflib  # for the message only

    near = difflib.get_close_matches(wanted.lower(), names_of, n=3, cutoff=0.3) or list(names_of)[:3]
    listed = ", ".join(repr(names_of[name]) for name in near)
    raise NoDeviceError(f"no input device named {wanted!r}; near it: {listed} (stream-ser devices lists all)")
