from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_that_of_the_settings() -> None:
    expected = runpy.run_path(str(DOCS / "make_settings.py"))["page"]()
    assert (DOCS / "reference/settings.md").read_text() == expected, "out of date: python docs/make_settings.py"
