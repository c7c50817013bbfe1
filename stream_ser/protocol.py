"""Wire messages of ``stream-ser.v1``: one JSON object a message, tagged by ``type``.

The message types here are the definition; docs/protocol.md is written from them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stream_ser import events

VERSION = "stream-ser.v1"

Seconds = Annotated[float, Meta(description="Seconds of stream time: since the first sample of the stream.")]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message from the server. ``seq`` numbers the messages of one connection, from 0, without holes."""

    seq: int = 0


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First on every connection: what is being heard, by what."""

    protocol: Annotated[str, Meta(description=f"`{VERSION}`.")]
    version: Annotated[str, Meta(description="Version of the server.")]
    source: Annotated[str, Meta(description="Name of the device or file.")]
    host_api: Annotated[str, Meta(description="Sound system of the device, e.g. `ALSA`; empty for a file.")]
    sample_rate: Annotated[int, Meta(description="Rate at which the source was opened, in Hz; 0 before it was.")]
    started_at: Annotated[float, Meta(description="Wall clock at stream time 0, in seconds since 1970 UTC.")]
    time: Annotated[float, Meta(description="Stream time now, in seconds.")]
    labels: Annotated[tuple[str, ...], Meta(description="Keys of every `probabilities`, in order.")]
    hop: Annotated[float, Meta(description="Seconds between two answers.")]
    window: Annotated[float, Meta(description="Seconds of speech that an answer looks back on at most.")]
    models: Annotated[dict[str, str], Meta(description="Version of each model.")]
    provider: Annotated[str, Meta(description="ONNX Runtime execution provider that runs the models.")]
    provider_reason: Annotated[str, Meta(description="Why that provider.")]
    recording: Annotated[bool, Meta(description="Whether audio and labels are written to files on the server.")] = False


class SpeechStart(Message, frozen=True, kw_only=True, tag="speech_start"):
    """Somebody began to speak."""

    start: Seconds


class Emotion(Message, frozen=True, kw_only=True, tag="emotion"):
    """The label of the speech so far, every hop while somebody speaks; once with `is_final` when the utterance ends."""

    start: Seconds
    end: Seconds
    label: Annotated[str, Meta(description="One of `labels`, or `uncertain`.")]
    confidence: Annotated[Probability, Meta(description="The largest of `probabilities`.")]
    probabilities: Annotated[dict[str, Probability], Meta(description="By emotion, all models together; sum 1.")]
    models: Annotated[dict[str, dict[str, Probability]], Meta(description="The same by model, before smoothing.")]
    is_final: Annotated[bool, Meta(description="Whether this is the one answer for the whole utterance.")]


class SpeechEnd(Message, frozen=True, kw_only=True, tag="speech_end"):
    """The utterance is over. Until the next `speech_start` the label is `no_speech`."""

    start: Seconds
    end: Seconds
    label: Annotated[str, Meta(description="`no_speech`.")] = events.NO_SPEECH


class Status(Message, frozen=True, kw_only=True, tag="status"):
    """What the source does: after `hello`, whenever it changes, and at most every five seconds while the counts grow."""

    state: Annotated[
        str,
        Meta(
            description="`listening`; `source_lost` (the device is gone or silent, see `reason`; it is waited for);"
            " `source_restored` (it is back, once); `ended` (the file is over); `stopping`."
        ),
    ]
    reason: Annotated[str, Meta(description="Why the source is lost; else empty.")] = ""
    time: Seconds
    label: Annotated[str, Meta(description="The label now: an emotion, `uncertain` or `no_speech`.")]
    repaired: Annotated[int, Meta(description="Samples so far that were no numbers (NaN, infinity); heard as silence.")]
    clipped: Annotated[int, Meta(description="Samples so far at full scale: the microphone is turned up too far.")]
    overflows: Annotated[int, Meta(description="Blocks so far that the sound system gave incomplete.")]
    recording: Annotated[bool, Meta(description="Whether audio and labels are written to files on the server.")] = False


class Gap(Message, frozen=True, kw_only=True, tag="gap"):
    """Something was lost: audio (`overflow`, `source_lost`), or messages to this client (`slow_client`)."""

    reason: Annotated[str, Meta(description="`overflow`, `source_lost` or `slow_client`.")]
    start: Annotated[float | UnsetType, Meta(description="Stream time from which on audio was lost.")] = UNSET
    seconds: Annotated[float | UnsetType, Meta(description="Audio lost.")] = UNSET
    messages: Annotated[int | UnsetType, Meta(description="Interim `emotion` messages that newer ones replaced.")] = UNSET


class Error(Message, frozen=True, kw_only=True, tag="error"):
    """The last message of this client was not understood; the connection stays."""

    code: Annotated[str, Meta(description="`bad_message` (no JSON object with a `type`) or `unknown_type`.")]
    message: str


ServerMessage = Hello | SpeechStart | Emotion | SpeechEnd | Status | Gap | Error
SERVER_MESSAGES: tuple[type[Message], ...] = (Hello, SpeechStart, Emotion, SpeechEnd, Status, Gap, Error)


class Frame(Struct, frozen=True):
    """A message encoded once for all connections, each of which puts its own ``seq`` in."""

    head: bytes
    tail: bytes
    is_interim: bool

    _mark: ClassVar[bytes] = b'"seq":0'

    def with_seq(self, seq: int) -> str:
        return (self.head + b'"seq":%d' % seq + self.tail).decode()


def encode(message: ServerMessage) -> Frame:
    """Encode a message whose ``seq`` is still 0."""
    head, mark, tail = msgspec.json.encode(message).partition(Frame._mark)
    assert mark
    return Frame(head, tail, isinstance(message, Emotion) and not message.is_final)


_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def decode(data: str | bytes) -> ServerMessage:
    """Read a message of the server.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(data)


def of_event(event: events.Event) -> ServerMessage:
    """The wire form of what the recogniser says."""
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


def answer_client(data: str) -> Error:
    """What to say to a message from a client. This version knows no client message, so it is always an error."""
    try:
        kind = _incoming.decode(data).type
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return Error(code="bad_message", message=f"expected a JSON object with a type: {error}")
    return Error(code="unknown_type", message=f"this server knows no message of type {kind[:64]!r} from a client")
