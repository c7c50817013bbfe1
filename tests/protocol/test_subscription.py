from __future__ import annotations

import pytest

from stream_ser import protocol

pytestmark = pytest.mark.unit


def emotion(end: float, label: str = "sad", confidence: float = 0.6, *, is_final: bool = False) -> protocol.Emotion:
    return protocol.Emotion(
        start=0.0, end=end, label=label, confidence=confidence, probabilities={}, models={}, is_final=is_final
    )


STATUS = protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)


@pytest.mark.parametrize(
    ("subscribe", "wanted"),
    [
        (protocol.Subscribe(), [True] * 6),
        (protocol.Subscribe(types=frozenset({"emotion"})), [True, True, True, False, False, True]),
        (protocol.Subscribe(types=frozenset({"status"})), [False, False, False, True, False, True]),
        (protocol.Subscribe(labels=frozenset({"angry"})), [False, False, True, True, True, True]),
        (protocol.Subscribe(min_confidence=0.5), [True, False, True, True, True, True]),
        (protocol.Subscribe(only_final=True), [False, False, True, True, True, True]),
    ],
)
def test_a_client_gets_what_it_subscribed_to(subscribe: protocol.Subscribe, wanted: list[bool]) -> None:
    messages: list[protocol.ServerMessage] = [
        emotion(1.0),
        emotion(1.1, confidence=0.4),
        emotion(1.2, "angry", 0.9, is_final=True),
        STATUS,
        protocol.SpeechStart(start=2.0),
        protocol.Gap(reason="overflow", start=2.0, seconds=1.0),
    ]
    subscription = protocol.Subscription(subscribe)
    assert [subscription.wants(message) for message in messages] == wanted


@pytest.mark.parametrize(("rate", "expected"), [(10.0, 30), (5.0, 15), (2.0, 6), (1.0, 3), (100.0, 30)])
def test_a_rate_limits_interim_emotions(rate: float, expected: int) -> None:
    subscription = protocol.Subscription(protocol.Subscribe(max_rate_hz=rate))
    wanted = [subscription.wants(emotion(0.1 * number)) for number in range(30)]
    assert sum(wanted) == expected
    assert wanted[0]
    assert subscription.wants(emotion(2.91, is_final=True)), "a final one always comes"
