from __future__ import annotations

from pathlib import Path

import pytest
from stream_ser_export.atomic_write import atomic_write

pytestmark = pytest.mark.unit


def write_both(file: Path) -> None:
    with atomic_write(file) as one, atomic_write(file) as other:
        one.write_text("one")
        other.write_text("other")
        assert not file.exists()


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    write_both(tmp_path / "a.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_text() in {"one", "other"}


def write_half(file: Path) -> None:
    with atomic_write(file) as partial:
        partial.write_text("half")
        file.parent.read_text()  # fails: it is a folder


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("before")
    with pytest.raises(IsADirectoryError):
        write_half(file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
