from __future__ import annotations

import logging

import pytest

from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.microphone import Microphone
from stream_ser.audio.sources.source import Source
from stream_ser.daemon.reload import reload
from stream_ser.daemon.settings import Settings, SettingsError, load_settings

pytestmark = pytest.mark.unit


class RecordingMicrophone(Microphone):
    """Notes what it is changed to, and opens nothing."""

    def __init__(self) -> None:
        super().__init__("yeti")
        self.changes: list[tuple[str | None, int | None]] = []

    def change(self, wanted: str | None, channel: int | None) -> None:
        self.changes.append((wanted, channel))


@pytest.fixture
def current() -> Settings:
    return load_settings({"device": "yeti", "channel": 1, "hop": 0.1})


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    (record,) = caplog.records
    return {"event": record.msg, **record.__dict__["fields"]}


@pytest.fixture(autouse=True)
def _captured(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("stream_ser"), "propagate", True)
    caplog.set_level(logging.INFO, logger="stream_ser")


def test_another_channel_applies_at_once_and_another_hop_does_not(current: Settings, caplog: pytest.LogCaptureFixture) -> None:
    microphone = RecordingMicrophone()
    loaded = load_settings({"device": "yeti", "channel": 2, "hop": 0.2})
    effective = reload(current, lambda: loaded, microphone)
    assert microphone.changes == [("yeti", 2)]
    assert (effective.channel, effective.hop) == (2, 0.1)
    assert fields(caplog) == {"event": "reloaded", "applied": "channel", "needs_restart": "hop"}


def test_of_a_file_nothing_applies_at_once(current: Settings, caplog: pytest.LogCaptureFixture) -> None:
    source: Source = FileSource(DEMO, realtime=True)
    loaded = load_settings({"device": "other", "channel": 1, "hop": 0.1})
    assert reload(current, lambda: loaded, source) == current
    assert fields(caplog) == {"event": "reloaded", "applied": "", "needs_restart": "device"}


def test_settings_that_did_not_change_leave_the_microphone_alone(current: Settings) -> None:
    microphone = RecordingMicrophone()
    assert reload(current, lambda: current, microphone) == current
    assert microphone.changes == []


def test_a_wrong_setting_changes_nothing(current: Settings, caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Settings:
        raise SettingsError("there is no setting volume")

    microphone = RecordingMicrophone()
    assert reload(current, load, microphone) is current
    assert microphone.changes == []
    assert fields(caplog) == {"event": "reload_refused", "reason": "there is no setting volume"}
