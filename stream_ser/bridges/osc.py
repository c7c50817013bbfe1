"""Open Sound Control, for avatars, lights and music (https://opensoundcontrol.stanford.edu/spec-1_0.html)."""

from __future__ import annotations

from collections.abc import Iterable

from stream_ser import protocol
from stream_ser.bridges import missing_library, parse_address

DEFAULT_PORT = 9_000
"""Where programs usually receive OSC."""

Arguments = list[str | float | int]


def of_message(message: protocol.ServerMessage) -> list[tuple[str, Arguments]]:
    """Address and arguments of each OSC message to send for a message."""
    match message:
        case protocol.SpeechStart():
            return [("/stream_ser/speech", [1])]
        case protocol.SpeechEnd():
            return [("/stream_ser/speech", [0])]
        case protocol.Emotion():
            sent: list[tuple[str, Arguments]] = [
                ("/stream_ser/emotion", [message.label, message.confidence, int(message.is_final)])
            ]
            sent += [(f"/stream_ser/probability/{label}", [value]) for label, value in message.probabilities.items()]
            return sent
        case protocol.Status():
            return [("/stream_ser/source", [int(message.state != protocol.StreamState.SOURCE_LOST)])]
        case _:
            return []


def bridge(messages: Iterable[protocol.ServerMessage], to: str) -> None:
    """Send messages by UDP to ``to``, as long as they come.

    Raises:
        BridgeError: ``to`` is no address, or python-osc is not installed.
    """
    try:
        from pythonosc.udp_client import SimpleUDPClient
    except ImportError:
        raise missing_library("python-osc") from None
    client = SimpleUDPClient(*parse_address(to, DEFAULT_PORT))
    with client:
        for message in messages:
            for address, arguments in of_message(message):
                client.send_message(address, arguments)
