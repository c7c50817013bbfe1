from __future__ import annotations

import subprocess
import sys

import pytest

from stream_ser.audio.devices import Device, find_device
from stream_ser.audio.sources.source import AudioError

pytestmark = pytest.mark.unit

DEVICES = [
    Device(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", "ALSA", 2, 48_000, is_default=False),
    Device(3, "Blue Yeti: USB Audio (hw:1,0)", "ALSA", 2, 44_100, is_default=False),
    Device(5, "pulse", "ALSA", 32, 44_100, is_default=True),
    Device(6, "pulse monitor", "ALSA", 32, 44_100, is_default=False),
]


@pytest.mark.parametrize(
    ("wanted", "number"), [(None, 5), ("3", 3), ("yeti", 3), ("Blue Yeti: USB Audio (hw:1,0)", 3), ("pulse", 5), ("hda", 0)]
)
def test_a_device_is_found_by_default_number_or_name(wanted: str | None, number: int) -> None:
    assert find_device(wanted, DEVICES).number == number


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1", "no input device 1; the input devices are 0, 3, 5, 6"),
        ("blue jeti", "no input device named 'blue jeti'; near it: 'Blue Yeti: USB Audio (hw:1,0)'"),
        ("pul", "several input devices match 'pul': 5 'pulse', 6 'pulse monitor'"),
    ],
)
def test_a_device_that_is_not_there_names_the_near_ones(wanted: str, message: str) -> None:
    with pytest.raises(AudioError) as caught:
        find_device(wanted, DEVICES)
    assert str(caught.value).startswith(message)


def test_without_a_device_the_error_names_a_remedy() -> None:
    with pytest.raises(AudioError, match="connect a microphone"):
        find_device(None, [])


def test_a_missing_portaudio_names_what_to_install() -> None:
    # A real interpreter in which the library is nowhere to be found, as sounddevice sees it.
    script = (
        "import ctypes.util, ctypes; ctypes.util.find_library = lambda name: None\n"
        "import sys; sys.argv = ['stream-ser', 'devices']\n"
        "from stream_ser.cli.app import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 1
    assert "install PortAudio" in result.stderr
    assert len(result.stderr.splitlines()) == 1
