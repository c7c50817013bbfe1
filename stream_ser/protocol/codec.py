"""Messages to bytes and back, and events to messages."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec import Struct

from stream_ser import events
from stream_ser.protocol.messages import (
    CLIENT_MESSAGES,
    ClientMessage,
    Emotion,
    Error,
    Gap,
    ServerMessage,
    SpeechEnd,
    SpeechStart,
)


class Frame(Struct, frozen=True):
    """A message encoded once for all connections, each of which inserts its own ``seq``."""

    message: ServerMessage
    head: bytes
    tail: bytes

    _mark: ClassVar[bytes] = b'"seq":0'

    @property
    def is_interim(self) -> bool:
        """Whether a newer one may take its place."""
        return isinstance(self.message, Emotion) and not self.message.is_final

    def with_seq(self, seq: int) -> str:
        """The JSON text with the number that the message has on one connection."""
        return (self.head + b'"seq":%d' % seq + self.tail).decode()


def encode(message: ServerMessage) -> Frame:
    """Encode a message whose ``seq`` is still 0."""
    head, mark, tail = msgspec.json.encode(message).partition(Frame._mark)
    assert mark
    return Frame(message, head, tail)


_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def decode(data: str | bytes) -> ServerMessage:
    """Decode a message of the server.

    Raises:
        msgspec.DecodeError: it is not valid.
    """
    return _decoder.decode(data)


def of_event(event: events.Event) -> ServerMessage:
    """The wire form of an event."""
    match event:
        case events.SpeechStart(start):
            return SpeechStart(start=start)
        case events.Emotion():
            return Emotion(
                start=event.start,
                end=event.end,
                label=event.label,
                confidence=max(event.probabilities.values()),
                probabilities=dict(event.probabilities),
                models={name: dict(by_emotion) for name, by_emotion in event.models.items()},
                is_final=event.is_final,
            )
        case events.SpeechEnd(start, end):
            return SpeechEnd(start=start, end=end)
        case events.Gap(start, seconds, reason):
            return Gap(start=start, seconds=seconds, reason=reason)


class _Incoming(Struct):
    type: str


_incoming: msgspec.json.Decoder[_Incoming] = msgspec.json.Decoder(_Incoming)
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_client_types = frozenset(message.__struct_config__.tag for message in CLIENT_MESSAGES)


def decode_client(data: str) -> ClientMessage | Error:
    """Decode a message of a client; where it is not valid, the error to reply with."""
    try:
        kind = _incoming.decode(data).type
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return Error(code="bad_message", message=f"expected a JSON object with a type: {error}")
    if kind not in _client_types:
        return Error(code="unknown_type", message=f"this server knows no message of type {kind[:64]!r} from a client")
    try:
        return _client_decoder.decode(data)
    except msgspec.ValidationError as error:
        return Error(code="bad_field", message=f"{kind}: {error}")


def address(host: str, port: int, *, secure: bool = False) -> str:
    """The URL that a client connects to."""
    return f"{'wss' if secure else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}/"
