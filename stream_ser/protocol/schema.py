"""The messages as JSON Schema."""

from __future__ import annotations

import msgspec

from stream_ser.protocol.messages import VERSION, ClientMessage, ServerMessage


def schema() -> dict[str, object]:
    """JSON Schema (2020-12) of the messages of the server and of the client."""
    (server, client), definitions = msgspec.json.schema_components(
        (ServerMessage, ClientMessage), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": VERSION,
        "anyOf": [server, client],
        "$defs": {"ServerMessage": server, "ClientMessage": client, **definitions},
    }
