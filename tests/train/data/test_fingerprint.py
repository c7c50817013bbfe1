from __future__ import annotations

from pathlib import Path

import pytest
from stream_ser_train.data.fingerprint import HEARING, fingerprint

pytestmark = pytest.mark.training

CODE = '''"""A page."""

def double(number: int) -> int:
    """Twice as much."""
    return 2 * number  # not three times
'''


def written(folder: Path, code: str) -> str:
    """The fingerprint of the code in a file of its own."""
    file = folder / f"{len(list(folder.iterdir()))}.py"
    file.write_text(code)
    return fingerprint([file])


@pytest.mark.parametrize(
    ("old", "new"), [("Twice", "Two times"), ("A page", "Another"), ("  # not three times", ""), ("2 * ", "2*")]
)
def test_words_about_the_code_do_not_change_it(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert written(tmp_path, CODE.replace(old, new)) == written(tmp_path, CODE)


@pytest.mark.parametrize(("old", "new"), [("2 *", "3 *"), ("number: int", "number: float"), ("double", "twice")])
def test_another_meaning_does(tmp_path: Path, old: str, new: str) -> None:
    assert written(tmp_path, CODE.replace(old, new)) != written(tmp_path, CODE)


def test_the_gate_and_the_extractor_are_among_what_hears() -> None:
    assert {"vad.py", "mfcc.py", "recognizer.py", "augmentation.py"} <= {file.name for file in HEARING}
