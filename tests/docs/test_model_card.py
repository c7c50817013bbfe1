from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_the_card_is_that_of_the_bundles_and_the_results() -> None:
    expected = runpy.run_path(str(DOCS / "make_model_card.py"))["page"]()
    assert (DOCS / "model-card.md").read_text() == expected, "out of date: python docs/make_model_card.py"
