from __future__ import annotations

import socket

import pytest
from patience import stretched

from stream_ser import protocol
from stream_ser.bridges import BridgeError, osc, parse_address

pytestmark = pytest.mark.unit

EMOTION = protocol.Emotion(
    start=0.0, end=1.0, label="angry", confidence=0.75, probabilities={"calm": 0.25, "angry": 0.75}, models={}, is_final=True
)


def _status(state: str) -> protocol.Status:
    return protocol.Status(state=state, time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (protocol.SpeechStart(start=0.0), [("/stream_ser/speech", [1])]),
        (protocol.SpeechEnd(start=0.0, end=1.0), [("/stream_ser/speech", [0])]),
        (
            EMOTION,
            [
                ("/stream_ser/emotion", ["angry", 0.75, 1]),
                ("/stream_ser/probability/calm", [0.25]),
                ("/stream_ser/probability/angry", [0.75]),
            ],
        ),
        (_status("listening"), [("/stream_ser/source", [1])]),
        (_status("source_lost"), [("/stream_ser/source", [0])]),
        (protocol.Gap(reason="overflow", start=0.0, seconds=1.0), []),
    ],
)
def test_what_is_sent_for_each_message(message: protocol.ServerMessage, sent: list[tuple[str, list[object]]]) -> None:
    assert osc.of_message(message) == sent


def test_a_receiver_gets_osc() -> None:
    from pythonosc.osc_message import OscMessage

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(stretched(20.0))
        osc.bridge([EMOTION], f"127.0.0.1:{receiver.getsockname()[1]}")
        received = [OscMessage(receiver.recv(4_096)) for _ in range(3)]
    assert [(one.address, one.params) for one in received] == osc.of_message(EMOTION)


@pytest.mark.parametrize(("text", "found"), [("a:1", ("a", 1)), ("a", ("a", 9)), (":7", ("127.0.0.1", 7))])
def test_an_address_is_a_host_and_perhaps_a_port(text: str, found: tuple[str, int]) -> None:
    assert parse_address(text, 9) == found


@pytest.mark.parametrize("text", ["a:b", "a:0", "a:70000", "a:1:2"])
def test_an_invalid_address_is_named(text: str) -> None:
    with pytest.raises(BridgeError, match=f"--to is '{text}'; it must be HOST or HOST:PORT"):
        parse_address(text, 9)
