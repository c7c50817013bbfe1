"""Wire messages of ``stream-ser.v1``: one JSON object a message, tagged by ``type``.

The message types here are the definition; docs/protocol.md and the JSON Schema are generated from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stream_ser import events

VERSION = "stream-ser.v1"

Seconds = Annotated[float, Meta(description="Seconds of stream time: since the first sample of the stream.")]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message from the server. ``seq`` numbers the messages of one connection, from 0, without holes."""

    seq: int = 0


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First on every connection: the source, and the models that process it."""

    protocol: Annotated[str, Meta(description=f"`{VERSION}`.")]
    version: Annotated[str, Meta(description="Version of the server.")]
    source: Annotated[str, Meta(description="Name of the device or file.")]
    host_api: Annotated[str, Meta(description="Sound system of the device, e.g. `ALSA`; empty for a file.")]
    sample_rate: Annotated[int, Meta(description="Rate at which the source was opened, in Hz; 0 before it was.")]
    started_at: Annotated[float, Meta(description="Wall clock at stream time 0, in seconds since 1970 UTC.")]
    time: Annotated[float, Meta(description="Stream time now, in seconds.")]
    labels: Annotated[tuple[str, ...], Meta(description="Keys of every `probabilities`, in order.")]
    hop: Annotated[float, Meta(description="Seconds between two labels.")]
    window: Annotated[float, Meta(description="Seconds of speech that a label is computed from, at most.")]
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
    is_final: Annotated[bool, Meta(description="Whether this is the one label of the whole utterance.")]


class SpeechEnd(Message, frozen=True, kw_only=True, tag="speech_end"):
    """The utterance is over. Until the next `speech_start` the label is `no_speech`."""

    start: Seconds
    end: Seconds
    label: Annotated[str, Meta(description="`no_speech`.")] = events.NO_SPEECH


class StreamState(StrEnum):
    """Values of ``Status.state``; a later server may send others."""

    LISTENING = "listening"
    SOURCE_LOST = "source_lost"
    SOURCE_RESTORED = "source_restored"
    ENDED = "ended"
    STOPPING = "stopping"


class Status(Message, frozen=True, kw_only=True, tag="status"):
    """The state of the source: after `hello`, whenever it changes, and at most every five seconds while the counts grow."""

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
    repaired: Annotated[int, Meta(description="Samples so far that were no numbers (NaN, infinity); processed as silence.")]
    clipped: Annotated[int, Meta(description="Samples so far at full scale: the microphone is turned up too far.")]
    overflows: Annotated[int, Meta(description="Blocks so far that the sound system gave incomplete.")]
    recording: Annotated[bool, Meta(description="Whether audio and labels are written to files on the server.")] = False


class Gap(Message, frozen=True, kw_only=True, tag="gap"):
    """Something was lost: audio (`overflow`, `source_lost`, `rate_limited`), or messages to this client (`slow_client`)."""

    reason: Annotated[str, Meta(description="`overflow`, `source_lost`, `rate_limited` or `slow_client`.")]
    start: Annotated[float | UnsetType, Meta(description="Stream time from which on audio was lost.")] = UNSET
    seconds: Annotated[float | UnsetType, Meta(description="Audio lost.")] = UNSET
    messages: Annotated[int | UnsetType, Meta(description="Interim `emotion` messages that newer ones replaced.")] = UNSET


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The connection is alive: in reply to `ping`, and where nothing else was sent for ten seconds."""

    time: Seconds
    id: Annotated[str | UnsetType, Meta(description="The `id` of the `ping`.")] = UNSET


class Error(Message, frozen=True, kw_only=True, tag="error"):
    """The last message of this client had no effect, or its audio failed; the connection stays, unless a close code follows."""

    code: Annotated[
        str,
        Meta(
            description="`bad_message` (no JSON object with a `type`); `unknown_type`; `bad_field` (a field has a value that is"
            " not allowed, nothing is changed); `not_here` (audio and `reset` go to `/v1/stream`); `no_audio_start` (audio"
            " before its format is known); `audio_started` (its format is known already); `bad_audio` (bytes that are no"
            " whole samples at the end); `rate_limited` (audio faster than real time, of which what did not fit is lost);"
            " `stream_failed` (the server failed on this audio; it closes the connection with 1011)."
        ),
    ]
    message: str


ServerMessage = Hello | SpeechStart | Emotion | SpeechEnd | Status | Gap | Heartbeat | Error
SERVER_MESSAGES: tuple[type[Message], ...] = (Hello, SpeechStart, Emotion, SpeechEnd, Status, Gap, Heartbeat, Error)


class Subscribe(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """From now on only these messages; what is not given is not limited. `hello`, `gap`, `heartbeat`, `error` always come."""

    types: Annotated[frozenset[str] | UnsetType, Meta(description="Types of messages.")] = UNSET
    labels: Annotated[frozenset[str] | UnsetType, Meta(description="Of `emotion`: those with one of these labels.")] = UNSET
    min_confidence: Annotated[Probability, Meta(description="Of `emotion`: those at least so confident.")] = 0.0
    max_rate_hz: Annotated[
        Annotated[float, Meta(gt=0.0)] | UnsetType,
        Meta(description="Of interim `emotion`: so many a second of stream time at most."),
    ] = UNSET
    only_final: Annotated[bool, Meta(description="Of `emotion`: the final ones.")] = False


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Requests a `heartbeat`."""

    id: Annotated[Annotated[str, Meta(max_length=64)] | UnsetType, Meta(description="Returned in the `heartbeat`.")] = UNSET


class AudioFormat(StrEnum):
    """How a sample is written: little-endian integers of 16 bit, or floating point of 32 bit in [-1, 1]."""

    S16LE = "s16le"
    F32LE = "f32le"


class AudioStart(Struct, frozen=True, kw_only=True, tag_field="type", tag="audio_start"):
    """On `/v1/stream`: binary frames follow, each of at most 1 MiB, that hold interleaved samples of this format."""

    sample_rate: Annotated[int, Meta(ge=8_000, le=48_000, description="Hz, 8,000 to 48,000.")]
    format: Annotated[AudioFormat, Meta(description="`s16le` or `f32le`.")] = AudioFormat.S16LE
    channels: Annotated[int, Meta(ge=1, le=8, description="Their mean is processed.")] = 1


class AudioEnd(Struct, frozen=True, kw_only=True, tag_field="type", tag="audio_end"):
    """On `/v1/stream`: the audio is over. Its last messages follow, then a `status` with `ended`, and the close."""


class Reset(Struct, frozen=True, kw_only=True, tag_field="type", tag="reset"):
    """On `/v1/stream`: what comes next does not belong to what came before; an utterance in progress ends."""


ClientMessage = Subscribe | Ping | AudioStart | AudioEnd | Reset
CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (Subscribe, Ping, AudioStart, AudioEnd, Reset)
