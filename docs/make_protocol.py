"""Writes docs/protocol.md, its schemas and stream-ser.d.ts from the message types in stream_ser/protocol/messages.py.

Run from the root of the repository: python docs/make_protocol.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import inspect as types

import stream_ser
from stream_ser import protocol
from stream_ser.server.auth import BEARER_SUBPROTOCOL_PREFIX
from stream_ser.server.limits import (
    MAX_AUDIO_BYTES,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_MESSAGES_PER_S,
    MAX_QUEUED_MESSAGES,
    MAX_TEXT_BYTES,
    MAX_UPLOADS,
)
from stream_ser.server.pcm import MAX_AHEAD_S
from stream_ser.server.subscriber import HEARTBEAT_INTERVAL_S

PAGE = Path(__file__).parent / "protocol.md"

INTRODUCTION = f"""# Protocol `{protocol.VERSION}`

<!-- Written by docs/make_protocol.py from stream_ser/protocol/messages.py; edit those. -->

Connect with WebSocket to the address that `stream-ser listen` prints. Offering the subprotocol `{protocol.VERSION}` is optional.
Every message is one JSON object in a text frame, tagged by `type`. A client ignores fields and types that it does not know.
The messages are also described as [JSON Schema](protocol.schema.json), which the daemon serves at `/v1/schema`, and as
[AsyncAPI](asyncapi.json). What may change in later releases: [compatibility](../CHANGELOG.md#compatibility).

| path | serves |
|---|---|
| `/v1/live`, also `/` | messages about the daemon's own source |
| `/v1/stream` | messages about audio that you send: `audio_start`, binary frames, `audio_end` |
| `/v1/stream?mode=batch` | the same for recordings, as fast as they are processed; without it audio may come {MAX_AHEAD_S:g} s early at most |
| `/healthz` | the state of the daemon, as JSON; 503 when no audio arrives |
| `/metrics` | metrics for Prometheus |
| `/v1/info` | the `hello` of now |
| `/v1/schema` | the JSON Schema |

Times are seconds of stream time: samples since the first sample of the stream. `started_at` in `hello` is the one anchor to
the wall clock.

## Order

`hello`, then on `/v1/live` a `status`. For each utterance: `speech_start`; `emotion` every hop, from 0.25 s of speech on; one
`emotion` with `is_final`; `speech_end`. Where an utterance turns out to have begun with a voice in the background, the `start` of
the messages that follow is later than that of `speech_start`. An utterance too short for a label has no `emotion`. In silence nothing is
sent but a `heartbeat` every {HEARTBEAT_INTERVAL_S:g} seconds: the label is then `no_speech`.

## Falling behind

Interim `emotion` messages that a slow client has not read are replaced by the newest; a `gap` with reason
`slow_client` gives their number. Other messages are queued, up to {MAX_QUEUED_MESSAGES}; a client further behind is closed with 1013. In batch mode
nothing is replaced; while {MAX_QUEUED_MESSAGES // 2} messages are queued, no more audio is read: read while you send.

## Who may connect

Programs, and pages of this machine; pages of other origins only where the daemon was started with `--allow-origin`. A daemon with
`--token-file` requires the token with every request: a program sends `Authorization: Bearer TOKEN`, a page offers the subprotocols
`{protocol.VERSION}` and `{BEARER_SUBPROTOCOL_PREFIX}TOKEN`.

## Messages from the server
"""

CLIENT = """## Messages from the client

A message that is malformed or not allowed is answered with `error` and has no effect.
"""

CLOSING = f"""## Close codes

| code | meaning |
|---|---|
| 1000 | your audio has ended, and all messages about it were sent |
| 1001 | the server stops, or its sound file has ended |
| 1003 | you sent audio to `/v1/live` |
| 1008 | you sent more than {MAX_MESSAGES_PER_S} messages in a second |
| 1009 | you sent more than {MAX_TEXT_BYTES // 1024} KiB of text, or {MAX_AUDIO_BYTES // 1024} KiB of audio, in a message |
| 1011 | the server failed; its log gives the reason |
| 1013 | you fell behind, or {MAX_UPLOADS} clients are sending audio already |

A connection that is refused gets an HTTP status instead: 401 without the token, 403 for a page of another origin, 404 for another path, 429 for
more than {MAX_CONNECTIONS_PER_ADDRESS} connections of one other machine, 503 for more than {MAX_CONNECTIONS} in all.
"""

EXAMPLES: dict[str, protocol.ServerMessage | protocol.ClientMessage] = {
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
    "heartbeat": protocol.Heartbeat(seq=23, time=12.5, id="a"),
    "error": protocol.Error(seq=22, code="unknown_type", message="this server knows no message of type 'x' from a client"),
    "subscribe": protocol.Subscribe(types=frozenset({"emotion"}), labels=frozenset({"angry"}), min_confidence=0.5, max_rate_hz=2.0),
    "ping": protocol.Ping(id="a"),
    "audio_start": protocol.AudioStart(sample_rate=48_000, format=protocol.AudioFormat.F32LE, channels=2),
    "audio_end": protocol.AudioEnd(),
    "reset": protocol.Reset(),
}  # fmt: skip


def page() -> str:
    """The whole page."""
    server, client = ([section(message) for message in kind] for kind in (protocol.SERVER_MESSAGES, protocol.CLIENT_MESSAGES))
    return "\n".join([INTRODUCTION, *server, CLIENT, *client, CLOSING])


def asyncapi() -> dict[str, object]:
    """The AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

    def messages(kinds: Sequence[type]) -> dict[str, object]:
        return {kind.__struct_config__.tag: {"$ref": f"#/components/messages/{kind.__struct_config__.tag}"} for kind in kinds}

    def operation(action: str, channel: str, kinds: Sequence[type]) -> dict[str, object]:
        own = [{"$ref": f"#/channels/{channel}/messages/{kind.__struct_config__.tag}"} for kind in kinds]
        return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": own}

    server, client = protocol.SERVER_MESSAGES, protocol.CLIENT_MESSAGES
    control = [kind for kind in client if kind in (protocol.Subscribe, protocol.Ping)]
    audio = {"payload": {"type": "string", "format": "binary"}, "summary": "Samples as audio_start declared them."}
    definitions = protocol.schema()["$defs"]
    assert isinstance(definitions, dict)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "stream-ser", "version": protocol.VERSION, "description": "Live speech emotion, over WebSocket."},
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8765", "protocol": "ws"}},
        "channels": {
            "live": {"address": "/v1/live", "messages": messages([*server, *control])},
            "stream": {
                "address": "/v1/stream",
                "messages": {**messages([*server, *client]), "audio": {"$ref": "#/components/messages/audio"}},
            },
        },
        "operations": {
            "sendLive": operation("send", "live", server),
            "receiveControl": operation("receive", "live", control),
            "sendStream": operation("send", "stream", server),
            "receiveUpload": operation("receive", "stream", client),
        },
        "components": {
            "messages": {
                **{
                    kind.__struct_config__.tag: {
                        "summary": (kind.__doc__ or "").strip(),
                        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
                    }
                    for kind in (*server, *client)
                },
                "audio": audio,
            },
            "schemas": json.loads(json.dumps(definitions).replace("#/$defs/", "#/components/schemas/")),
        },
    }


TYPES = Path(stream_ser.__file__).parent / "server/static/stream-ser.d.ts"


def typescript() -> str:
    """Types of the messages and of the module stream-ser.js."""
    lines = ["// Written by docs/make_protocol.py from stream_ser/protocol/messages.py; edit those.", ""]
    for message in (*protocol.SERVER_MESSAGES, *protocol.CLIENT_MESSAGES):
        described = types.type_info(message)
        assert isinstance(described, types.StructType)
        lines += [f"/** {(message.__doc__ or '').strip()} */", f"export interface {message.__name__} {{"]
        lines += [f'  type: "{described.tag}";']
        from_client = message in protocol.CLIENT_MESSAGES
        for field in described.fields:
            absent = isinstance(field.type, types.UnionType) or isinstance(getattr(field.type, "type", None), types.UnionType)
            optional = "?" if absent or (from_client and not field.required) else ""
            lines += [f"  {field.name}{optional}: {_typescript(field.type)};"]
        lines += ["}", ""]
    server = " | ".join(message.__name__ for message in protocol.SERVER_MESSAGES)
    return "\n".join([*lines, f"export type ServerMessage = {server};", "", _MODULE])


_MODULE = """\
export interface Options {
  /** Of a daemon that requires one. */
  token?: string;
  /** Which messages to receive; all of them if it is not given. */
  subscribe?: Omit<Subscribe, "type">;
  /** The class of the package ws, where none is built in. */
  WebSocket?: unknown;
}

type Of<T extends string> = T extends "*" ? ServerMessage : Extract<ServerMessage, { type: T }>;

/** Follows a daemon; reconnects when the connection breaks, with the same subscription. */
export class StreamSer {
  constructor(url?: string, options?: Options);
  /** Calls `listener` with every message of a type, or with all of them for "*"; returns a function that removes it. */
  on<T extends ServerMessage["type"] | "*">(type: T, listener: (message: Of<T>) => void): () => void;
  /** Receive only these messages from now on, also after a reconnect. */
  subscribe(subscription: Omit<Subscribe, "type">): void;
  /** Closes the connection; no more messages are received. */
  close(): void;
}
"""


def _typescript(described: types.Type) -> str:
    match described:
        case types.Metadata(inner):
            return _typescript(inner)
        case types.FloatType() | types.IntType():
            return "number"
        case types.BoolType():
            return "boolean"
        case types.StrType():
            return "string"
        case types.EnumType(values):
            return " | ".join(f'"{one.value}"' for one in values)
        case types.DictType(_, value):
            return f"Record<string, {_typescript(value)}>"
        case types.CollectionType(item_type=item) | types.VarTupleType(item_type=item):
            return f"{_typescript(item)}[]"
        case types.UnionType(parts):
            return " | ".join(_typescript(part) for part in parts if not isinstance(part, types.UnsetType))
    raise TypeError(described)


def documents() -> dict[Path, str]:
    """The content of each file."""
    return {
        TYPES: typescript(),
        PAGE: page(),
        PAGE.with_name("protocol.schema.json"): json.dumps(protocol.schema(), indent=1) + "\n",
        PAGE.with_name("asyncapi.json"): json.dumps(asyncapi(), indent=1) + "\n",
    }


def section(message: type[protocol.Message] | type[protocol.ClientMessage]) -> str:
    described = types.type_info(message)
    assert isinstance(described, types.StructType)
    tag = str(described.tag)
    lines = [f"### `{tag}`", "", (message.__doc__ or "").strip(), ""]
    if described.fields:
        lines += ["| field | type | meaning |", "|---|---|---|"]
    for field in described.fields:
        inner, meaning = field.type, ""
        if isinstance(inner, types.Metadata):
            meaning = (inner.extra_json_schema or {}).get("description", "")
            inner = inner.type
        if field.name == "seq":
            meaning = "Number of the message on this connection, from 0, without holes."
        optional = "" if field.required or field.name in ("type", "seq", "label") else " (optional)"
        lines.append(f"| `{field.name}` | {kind(inner)}{optional} | {meaning} |")
    example = msgspec.json.encode(EXAMPLES[tag]).decode()
    return "\n".join([*lines, "", "```json", example, "```", ""])


def kind(described: types.Type) -> str:
    """The name of a type in JSON."""
    match described:
        case types.Metadata(inner):
            return kind(inner)
        case types.FloatType() | types.IntType():
            return "number"
        case types.BoolType():
            return "boolean"
        case types.StrType() | types.EnumType():
            return "string"
        case types.DictType(_, value):
            return f"object of {kind(value)}s" if not isinstance(value, types.DictType) else "object of objects of numbers"
        case types.CollectionType(item_type=item) | types.VarTupleType(item_type=item):
            return f"array of {kind(item)}s"
        case types.UnionType(parts):
            return " or ".join(kind(part) for part in parts if not isinstance(part, types.UnsetType))
    raise TypeError(described)


if __name__ == "__main__":
    for file, content in documents().items():
        file.write_text(content)
        print(file)
