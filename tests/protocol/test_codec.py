from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser import events, protocol

pytestmark = pytest.mark.unit

EVENTS: list[events.Event] = [
    events.SpeechStart(1.5),
    events.Emotion(1.5, 2.5, "sad", {"sad": 0.75, "calm": 0.25}, {"lstm": {"sad": 1.0, "calm": 0.0}}, is_final=True),
    events.SpeechEnd(1.5, 2.5),
    events.Gap(3.0, 0.5, "overflow"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("seq", [0, 7, 123_456_789])
def test_an_event_arrives_as_it_was_sent(event: events.Event, seq: int) -> None:
    message = protocol.of_event(event)
    received = protocol.decode(protocol.encode(message).with_seq(seq))
    assert received == msgspec.structs.replace(message, seq=seq)


def test_the_wire_form_of_an_emotion() -> None:
    wire = json.loads(protocol.encode(protocol.of_event(EVENTS[1])).with_seq(3))
    assert wire == {
        "type": "emotion",
        "seq": 3,
        "start": 1.5,
        "end": 2.5,
        "label": "sad",
        "confidence": 0.75,
        "probabilities": {"sad": 0.75, "calm": 0.25},
        "models": {"lstm": {"sad": 1.0, "calm": 0.0}},
        "is_final": True,
    }


def test_a_state_of_the_source_is_its_value_on_the_wire() -> None:
    status = protocol.Status(
        state=protocol.StreamState.SOURCE_LOST, time=1.0, label="no_speech", repaired=0, clipped=0, overflows=0
    )
    assert json.loads(protocol.encode(status).with_seq(0))["state"] == "source_lost"


def test_text_that_looks_like_a_sequence_number_is_left_alone() -> None:
    message = protocol.Error(code="bad_message", message='"seq":0')
    assert protocol.decode(protocol.encode(message).with_seq(5)) == msgspec.structs.replace(message, seq=5)


def test_only_an_interim_emotion_may_be_replaced() -> None:
    interim = events.Emotion(0.0, 1.0, "sad", {"sad": 1.0}, {}, is_final=False)
    assert protocol.encode(protocol.of_event(interim)).is_interim
    assert not any(protocol.encode(protocol.of_event(event)).is_interim for event in EVENTS)


def test_unknown_fields_of_the_server_are_skipped() -> None:
    assert protocol.decode('{"type":"speech_start","start":1,"mood":"new"}') == protocol.SpeechStart(start=1.0)


@given(st.text() | st.builds(json.dumps, st.dictionaries(st.sampled_from(["type", "types", "id", "sample_rate"]), st.text())))
def test_any_text_of_a_client_is_a_message_or_an_error(data: str) -> None:
    found = protocol.decode_client(data)
    assert isinstance(found, protocol.CLIENT_MESSAGES) or (
        isinstance(found, protocol.Error) and found.code in {"bad_message", "unknown_type", "bad_field"}
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{}", "bad_message"),
        ("[]", "bad_message"),
        ("\ud800", "bad_message"),
        ('{"type":"x"}', "unknown_type"),
        ('{"type":"hello"}', "unknown_type"),
        ('{"type":"subscribe","min_confidence":2}', "bad_field"),
        ('{"type":"subscribe","max_rate_hz":0}', "bad_field"),
        ('{"type":"subscribe","types":"emotion"}', "bad_field"),
        ('{"type":"audio_start"}', "bad_field"),
        ('{"type":"audio_start","sample_rate":7999}', "bad_field"),
        ('{"type":"audio_start","sample_rate":16000,"format":"mp3"}', "bad_field"),
        ('{"type":"audio_start","sample_rate":16000,"channels":0}', "bad_field"),
        ('{"type":"ping","id":"' + "x" * 65 + '"}', "bad_field"),
    ],
)
def test_errors_have_codes(data: str, code: str) -> None:
    found = protocol.decode_client(data)
    assert isinstance(found, protocol.Error)
    assert found.code == code


def test_unknown_fields_of_a_client_are_skipped() -> None:
    assert protocol.decode_client('{"type":"ping","id":"a","mood":"new"}') == protocol.Ping(id="a")
