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


def test_text_that_looks_like_a_sequence_number_is_left_alone() -> None:
    message = protocol.Error(code="bad_message", message='"seq":0')
    assert protocol.decode(protocol.encode(message).with_seq(5)) == msgspec.structs.replace(message, seq=5)


def test_only_an_interim_emotion_may_be_replaced() -> None:
    interim = events.Emotion(0.0, 1.0, "sad", {"sad": 1.0}, {}, is_final=False)
    assert protocol.encode(protocol.of_event(interim)).is_interim
    assert not any(protocol.encode(protocol.of_event(event)).is_interim for event in EVENTS)


def test_unknown_fields_of_a_later_version_are_ignored() -> None:
    assert protocol.decode('{"type":"speech_start","start":1,"mood":"new"}') == protocol.SpeechStart(start=1.0)


@given(st.text() | st.builds(json.dumps, st.dictionaries(st.sampled_from(["type", "types", "id", "sample_rate"]), st.text())))
def test_any_client_text_decodes_to_a_message_or_an_error(data: str) -> None:
    decoded = protocol.decode_client(data)
    assert isinstance(decoded, protocol.CLIENT_MESSAGES) or (
        isinstance(decoded, protocol.Error) and decoded.code in {"bad_message", "unknown_type", "bad_field"}
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
    decoded = protocol.decode_client(data)
    assert isinstance(decoded, protocol.Error)
    assert decoded.code == code


def test_unknown_fields_of_a_client_are_ignored() -> None:
    assert protocol.decode_client('{"type":"ping","id":"a","mood":"new"}') == protocol.Ping(id="a")


def emotion(end: float, label: str = "sad", confidence: float = 0.6, *, is_final: bool = False) -> protocol.Emotion:
    return protocol.Emotion(
        start=0.0, end=end, label=label, confidence=confidence, probabilities={}, models={}, is_final=is_final
    )


STATUS = protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)


@pytest.mark.parametrize(
    ("wanted", "delivered"),
    [
        (protocol.Subscribe(), [True] * 6),
        (protocol.Subscribe(types=frozenset({"emotion"})), [True, True, True, False, False, True]),
        (protocol.Subscribe(types=frozenset({"status"})), [False, False, False, True, False, True]),
        (protocol.Subscribe(labels=frozenset({"angry"})), [False, False, True, True, True, True]),
        (protocol.Subscribe(min_confidence=0.5), [True, False, True, True, True, True]),
        (protocol.Subscribe(only_final=True), [False, False, True, True, True, True]),
    ],
)
def test_a_client_gets_what_it_subscribed_to(wanted: protocol.Subscribe, delivered: list[bool]) -> None:
    messages: list[protocol.ServerMessage] = [
        emotion(1.0),
        emotion(1.1, confidence=0.4),
        emotion(1.2, "angry", 0.9, is_final=True),
        STATUS,
        protocol.SpeechStart(start=2.0),
        protocol.Gap(reason="overflow", start=2.0, seconds=1.0),
    ]
    subscription = protocol.Subscription(wanted)
    assert [subscription.wants(message) for message in messages] == delivered


@pytest.mark.parametrize(("rate", "expected"), [(10.0, 30), (5.0, 15), (2.0, 6), (1.0, 3), (100.0, 30)])
def test_a_rate_thins_out_what_is_interim(rate: float, expected: int) -> None:
    subscription = protocol.Subscription(protocol.Subscribe(max_rate_hz=rate))
    delivered = [subscription.wants(emotion(0.1 * number)) for number in range(30)]
    assert sum(delivered) == expected
    assert delivered[0]
    assert subscription.wants(emotion(2.91, is_final=True)), "a final one always comes"


def test_the_schema_knows_every_message() -> None:
    definitions = protocol.schema()["$defs"]
    assert isinstance(definitions, dict)
    for kind in (*protocol.SERVER_MESSAGES, *protocol.CLIENT_MESSAGES):
        assert definitions[kind.__name__]["properties"]["type"] == {"enum": [kind.__struct_config__.tag]}
