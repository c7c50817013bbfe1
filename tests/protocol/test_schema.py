from __future__ import annotations

import pytest

from stream_ser import protocol

pytestmark = pytest.mark.unit


def test_the_schema_defines_every_message() -> None:
    definitions = protocol.schema()["$defs"]
    assert isinstance(definitions, dict)
    for kind in (*protocol.SERVER_MESSAGES, *protocol.CLIENT_MESSAGES):
        assert definitions[kind.__name__]["properties"]["type"] == {"enum": [kind.__struct_config__.tag]}
