"""Writes docs/protocol.md from the message types in stream_ser/protocol.py.

Run from the root of the repository: python docs/make_protocol.py
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import inspect as types

from stream_ser import protocol

PAGE = Path(__file__).parent / "protocol.md"

INTRODUCTION = f"""# Protocol `{protocol.VERSION}`

<!-- Written by docs/make_protocol.py from stream_ser/protocol.py; edit those. -->

Connect with WebSocket to the address that `stream-ser listen` prints. Offering the subprotocol `{protocol.VERSION}` is welcome
and not required. Every message is one JSON object in a text frame, tagged by `type`. A reader passes over fields and
types that it does not know.

Times are seconds of stream time: samples since the first sample of the stream. `started_at` in `hello` is the one anchor to
the wall clock.

## Order

`hello`, then `status`. For each utterance: `speech_start`; `emotion` every hop, from 0.25 s of speech on; one `emotion` with
`is_final`; `speech_end`. Where an utterance turns out to have begun with somebody in the background, the `start` of what follows is
later than that of `speech_start`. An utterance too short for a label has no `emotion`. In silence nothing is sent: the
label is then `no_speech`.

## Falling behind

Interim `emotion` messages that a slow client has not taken are replaced by the newest; a `gap` with reason
`slow_client` says how many. Everything else waits, up to 256 messages; a client further behind is closed with 1013.

## Messages from the server
"""

CLOSING = """## Messages from the client

None yet. A text frame is answered with `error` and does no harm.

## Close codes

| code | meaning |
|---|---|
| 1001 | the server ends, or its recording is over |
| 1003 | the client sent a binary frame |
| 1009 | the client sent more than 16 KiB in a message |
| 1011 | the server failed; its log says why |
| 1013 | the client fell behind, or too many clients are connected |

A page from another origin than this machine's own is refused with HTTP 403.
"""

EXAMPLES: dict[str, protocol.ServerMessage] = {
    "hello": protocol.Hello(
        protocol=protocol.VERSION, version="0.1.0", source="pulse", host_api="ALSA", sample_rate=44100, started_at=1700000000.0, time=0.0,
        labels=("calm", "angry"), hop=0.1, window=3.0, models={"lstm": "0.1.0", "mlp": "0.1.0"},
        provider="CPUExecutionProvider", provider_reason="no NVIDIA driver (libcuda.so.1)",
    ),
    "speech_start": protocol.SpeechStart(seq=2, start=1.5),
    "emotion": protocol.Emotion(
        seq=9, start=1.5, end=2.5, label="angry", confidence=0.75, probabilities={"calm": 0.25, "angry": 0.75},
        models={"lstm": {"calm": 0.2, "angry": 0.8}, "mlp": {"calm": 0.3, "angry": 0.7}}, is_final=False,
    ),
    "speech_end": protocol.SpeechEnd(seq=20, start=1.5, end=3.25),
    "status": protocol.Status(seq=1, state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0),
    "gap": protocol.Gap(seq=21, reason="overflow", start=3.5, seconds=0.25),
    "error": protocol.Error(seq=22, code="unknown_type", message="this server knows no message of type 'x' from a client"),
}  # fmt: skip


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(section(message) for message in protocol.SERVER_MESSAGES), CLOSING])


def section(message: type[protocol.Message]) -> str:
    described = types.type_info(message)
    assert isinstance(described, types.StructType)
    tag = str(described.tag)
    lines = [f"### `{tag}`", "", (message.__doc__ or "").strip(), "", "| field | type | meaning |", "|---|---|---|"]
    for field in described.fields:
        inner, meaning = field.type, ""
        if isinstance(inner, types.Metadata):
            meaning = (inner.extra_json_schema or {}).get("description", "")
            inner = inner.type
        if field.name == "seq":
            meaning = "Number of the message on this connection, from 0, without holes."
        optional = "" if field.required or field.name in ("seq", "label") else " (optional)"
        lines.append(f"| `{field.name}` | {kind(inner)}{optional} | {meaning} |")
    example = msgspec.json.encode(EXAMPLES[tag]).decode()
    return "\n".join([*lines, "", "```json", example, "```", ""])


def kind(described: types.Type) -> str:
    """What JSON calls it."""
    match described:
        case types.Metadata(inner):
            return kind(inner)
        case types.FloatType() | types.IntType():
            return "number"
        case types.BoolType():
            return "boolean"
        case types.StrType():
            return "string"
        case types.DictType(_, value):
            return f"object of {kind(value)}s" if not isinstance(value, types.DictType) else "object of objects of numbers"
        case types.CollectionType(item_type=item) | types.VarTupleType(item_type=item):
            return f"array of {kind(item)}s"
        case types.UnionType(parts):
            return " or ".join(kind(part) for part in parts if not isinstance(part, types.UnsetType))
    raise TypeError(described)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
