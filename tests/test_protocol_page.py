from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_says_what_the_message_types_say() -> None:
    made = runpy.run_path(str(DOCS / "make_protocol.py"))["page"]()
    assert (DOCS / "protocol.md").read_text() == made, "write it again: python docs/make_protocol.py"
