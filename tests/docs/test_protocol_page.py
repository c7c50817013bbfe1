from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documents_are_those_of_the_message_types() -> None:
    expected = runpy.run_path(str(DOCS / "make_protocol.py"))["documents"]()
    assert [file.name for file in expected] == ["stream-ser.d.ts", "protocol.md", "protocol.schema.json", "asyncapi.json"]
    for file, content in expected.items():
        assert file.read_text() == content, f"{file.name} is out of date: python docs/make_protocol.py"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads((DOCS / "asyncapi.json").read_text())

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    targets = references(document)
    assert len(targets) > 50
    for reference in targets:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
