from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.source import SourceState
from stream_ser.daemon.state import HUNG_AFTER_S, Counts, DaemonState
from stream_ser.events import NO_SPEECH, Emotion, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import load_classifier
from stream_ser.models.providers import CPU, ProviderChoice
from stream_ser.protocol import StreamState

pytestmark = pytest.mark.unit


@dataclass
class Progress:
    time: float = 12.5
    repaired: int = 3
    clipped: int = 4


@pytest.fixture
def state(bundles: Path) -> DaemonState:
    classifier = load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 2.0)
    return DaemonState(FileSource(DEMO, realtime=True), classifier, 0.2, None)


def emotion(label: str) -> Emotion:
    return Emotion(0.0, 1.0, label, {label: 1.0}, {}, is_final=False)


def test_hello_describes_source_models_and_settings(state: DaemonState) -> None:
    hello = state.hello(12.5)
    assert (hello.protocol, hello.source, hello.host_api, hello.sample_rate) == (protocol.VERSION, "demo.flac", "", 16_000)
    assert (hello.time, hello.hop, hello.window, hello.provider) == (12.5, 0.2, 2.0, CPU)
    assert set(hello.models) == {"lstm", "mlp"}
    assert not hello.recording


def test_hello_of_an_upload_has_no_source_and_begins_now(state: DaemonState) -> None:
    state.recording = Path("somewhere")
    state.started_at = 1_000.0
    hello = state.upload_hello()
    assert (hello.source, hello.host_api, hello.sample_rate, hello.time, hello.recording) == ("", "", 0, 0.0, False)
    assert hello.started_at > 1_000.0
    assert hello.labels == state.hello(0.0).labels


def test_a_greeting_is_hello_and_status(state: DaemonState) -> None:
    hello, status = state.greeting(Progress())
    assert isinstance(hello, protocol.Hello)
    assert isinstance(status, protocol.Status)
    assert hello.time == status.time == 12.5


def test_status_holds_the_counts(state: DaemonState) -> None:
    status = state.status(Progress())
    assert (status.state, status.reason, status.label) == ("listening", "", NO_SPEECH)
    assert (status.repaired, status.clipped, status.overflows) == (3, 4, 0)
    assert state.counts(Progress()) == Counts(3, 4, 0)


def test_the_label_is_that_of_the_last_emotion_until_speech_ends(state: DaemonState) -> None:
    labels = []
    for event in (SpeechStart(0.0), emotion("sad"), emotion("calm"), SpeechEnd(0.0, 1.0)):
        state.apply(event)
        labels.append(state.status(Progress()).label)
    assert labels == [NO_SPEECH, "sad", "calm", NO_SPEECH]


def test_a_recording_is_shown_everywhere_while_it_lasts(state: DaemonState) -> None:
    state.recording = Path("/some/where")
    assert state.hello(0.0).recording
    assert state.status(Progress()).recording
    assert state.summary("ws://x/", 0).endswith("; RECORDING to /some/where")
    state.recording = None
    assert not state.status(Progress()).recording
    assert "RECORDING" not in state.summary("ws://x/", 0)


def test_health_is_good_only_while_it_listens_and_the_worker_goes_on(state: DaemonState) -> None:
    health = state.health(0.25, 2)
    assert (health["ok"], health["state"], health["reason"]) == (True, "listening", "")
    assert (health["source"], health["worker_age_s"], health["provider"], health["clients"]) == ("demo.flac", 0.25, CPU, 2)
    assert not state.health(HUNG_AFTER_S, 0)["ok"]
    state.source_changed(SourceState.LOST, "unplugged")
    health = state.health(0.0, 0)
    assert (health["ok"], health["state"], health["reason"]) == (False, "source_lost", "unplugged")


def test_the_summary_names_source_label_and_clients(state: DaemonState) -> None:
    state.apply(emotion("sad"))
    assert state.summary("ws://127.0.0.1:1/", 3) == f"listening to demo.flac, sad; 3 clients at ws://127.0.0.1:1/; {CPU}"
    state.source_changed(SourceState.LOST, "unplugged")
    assert state.summary("ws://127.0.0.1:1/", 0).startswith("source_lost: unplugged, sad; 0 clients")
    state.activity = StreamState.ENDED
    assert not state.is_listening
