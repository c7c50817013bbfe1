from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documents_say_what_the_message_types_say() -> None:
    made = runpy.run_path(str(DOCS / "make_protocol.py"))["written"]()
    assert [file.name for file in made] == ["stream-ser.d.ts", "protocol.md", "protocol.schema.json", "asyncapi.json"]
    for file, content in made.items():
        assert file.read_text() == content, f"{file.name} is not what it should be: python docs/make_protocol.py"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads((DOCS / "asyncapi.json").read_text())

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert len(found) > 50
    for reference in found:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
