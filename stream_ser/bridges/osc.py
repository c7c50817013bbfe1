"""Open Sound Control: to avatars, lights and music (https://opensoundcontrol.stanford.edu/spec-1_0.html)."""

from __future__ import annotations

from collections.abc import Iterable

from stream_ser import protocol
from stream_ser.audio.sources.source import SourceState
from stream_ser.bridges import missing, place

PORT = 9_000
"""Where programs usually listen for OSC."""

Arguments = list[str | float | int]


def of_message(message: protocol.ServerMessage) -> list[tuple[str, Arguments]]:
    """Address and arguments of each OSC message that says it."""
    match message:
        case protocol.SpeechStart():
            return [("/stream_ser/speech", [1])]
        case protocol.SpeechEnd():
            return [("/stream_ser/speech", [0])]
        case protocol.Emotion():
            said: list[tuple[str, Arguments]] = [
                ("/stream_ser/emotion", [message.label, message.confidence, int(message.is_final)])
            ]
            said += [(f"/stream_ser/probability/{name}", [value]) for name, value in message.probabilities.items()]
            return said
        case protocol.Status():
            return [("/stream_ser/source", [int(message.state != SourceState.LOST)])]
        case _:
            return []


def bridge(messages: Iterable[protocol.ServerMessage], to: str) -> None:
    """Send what ``messages`` say by UDP to ``to``, as long as they come.

    Raises:
        BridgeError: ``to`` is no place, or python-osc is not installed.
    """
    try:
        from pythonosc.udp_client import SimpleUDPClient
    except ImportError:
        raise missing("python-osc") from None
    client = SimpleUDPClient(*place(to, PORT))
    with client:
        for message in messages:
            for address, arguments in of_message(message):
                client.send_message(address, arguments)
