from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"


def test_the_card_says_what_the_bundles_and_the_results_say() -> None:
    made = runpy.run_path(str(DOCS / "make_model_card.py"))["page"]()
    assert (DOCS / "model-card.md").read_text() == made, "write it again: python docs/make_model_card.py"
