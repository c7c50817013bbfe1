from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser import events, protocol

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


def test_text_that_looks_like_a_sequence_number_is_left_alone() -> None:
    message = protocol.Error(code="bad_message", message='"seq":0')
    assert protocol.decode(protocol.encode(message).with_seq(5)) == msgspec.structs.replace(message, seq=5)


def test_only_an_interim_emotion_may_be_replaced() -> None:
    interim = events.Emotion(0.0, 1.0, "sad", {"sad": 1.0}, {}, is_final=False)
    assert protocol.encode(protocol.of_event(interim)).is_interim
    assert not any(protocol.encode(protocol.of_event(event)).is_interim for event in EVENTS)


def test_a_reader_takes_fields_that_it_does_not_know() -> None:
    assert protocol.decode('{"type":"speech_start","start":1,"mood":"new"}') == protocol.SpeechStart(start=1.0)


@given(st.text())
def test_whatever_a_client_says_the_answer_is_an_error_message(data: str) -> None:
    assert protocol.answer_client(data).code in {"bad_message", "unknown_type"}


@pytest.mark.parametrize(
    ("data", "code"),
    [("{}", "bad_message"), ("[]", "bad_message"), ("\ud800", "bad_message"), ('{"type":"x"}', "unknown_type")],
)
def test_errors_have_codes(data: str, code: str) -> None:
    assert protocol.answer_client(data).code == code
