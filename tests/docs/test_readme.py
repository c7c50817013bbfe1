"""The README is short, and its figures are those of the result files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SIZE_LIMIT_BYTES = 8_000


def test_it_is_read_in_a_minute() -> None:
    size = len(README.read_bytes())
    assert size <= SIZE_LIMIT_BYTES, f"{size} bytes; move something to docs/"


def test_it_shows_one_picture_that_fetches_nothing() -> None:
    pictures = [line for line in README.read_text().splitlines() if line.startswith("![")]
    assert len(pictures) == 1
    picture = (ROOT / "docs/demo/listen.svg").read_text()
    assert "docs/demo/listen.svg" in pictures[0]
    assert "@font-face" not in picture


def test_its_figures_are_those_of_the_result_files() -> None:
    text = " ".join(README.read_text().split())
    independent = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())
    streaming = json.loads((ROOT / "docs/results/streaming.json").read_text())
    (after_one_second,) = (point["uar"] for point in streaming["curve"] if point["seconds"] == 1.0)
    assert f"(mean recall of the eight emotions) {100 * independent['models']['fused']['uar']['mean']:.1f} %" in text
    assert f"{100 * after_one_second:.1f} % after one second of speech" in text


def test_its_figures_of_other_voices_are_those_of_the_page_about_recognition() -> None:
    text = " ".join(README.read_text().split())
    rows = [line for line in (ROOT / "docs/explanation/recognition.md").read_text().splitlines() if line.startswith("| ")]
    for corpus in ("nEMO", "URDU"):
        (row,) = (line for line in rows if line.startswith(f"| {corpus} "))
        _, _, _, _, masked, chance, neutral, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"{masked} % on {corpus}" in text
        assert f"chance {chance} %" in text
        assert f"{neutral.split(' / ')[0]} % ({corpus})" in text
