from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser.features import FrameHistory

pytestmark = pytest.mark.unit


def numbered(start: int, count: int) -> np.ndarray:
    return np.repeat(np.arange(start, start + count, dtype=np.float32)[:, None], 2, axis=1)


@given(capacity=st.integers(1, 20), sizes=st.lists(st.integers(0, 45), max_size=20), data=st.data())
def test_any_retained_run_is_read_back_as_a_contiguous_view(capacity: int, sizes: list[int], data: st.DataObject) -> None:
    history = FrameHistory(capacity, 2)
    for size in sizes:
        history.append(numbered(history.end, size))
    assert history.end == sum(sizes)
    assert history.start == max(0, sum(sizes) - capacity)
    start = data.draw(st.integers(history.start, history.end))
    end = data.draw(st.integers(start, history.end))
    view = history.view(start, end)
    np.testing.assert_array_equal(view, numbered(start, end - start))
    assert view.flags.c_contiguous
    assert view.base is not None


@pytest.mark.parametrize(("start", "end"), [(0, 3), (4, 9), (6, 5)])
def test_frames_that_are_not_held_are_refused(start: int, end: int) -> None:
    history = FrameHistory(4, 2)
    history.append(numbered(0, 8))
    with pytest.raises(IndexError, match=r"retained \[4, 8\)"):
        history.view(start, end)


def test_clear_gives_the_state_of_a_new_history() -> None:
    history = FrameHistory(4, 2)
    history.append(numbered(5, 6))
    history.clear()
    assert (history.start, history.end) == (0, 0)
