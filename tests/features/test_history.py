from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser.features import FrameHistory

pytestmark = pytest.mark.unit


def numbered(start: int, count: int) -> np.ndarray:
    return np.repeat(np.arange(start, start + count, dtype=np.float32)[:, None], 2, axis=1)


@given(capacity=st.integers(1, 20), sizes=st.lists(st.integers(0, 45), max_size=20), row=st.integers(0, 2), data=st.data())
def test_any_retained_run_is_read_back_as_a_contiguous_view(
    capacity: int, sizes: list[int], row: int, data: st.DataObject
) -> None:
    history = FrameHistory(capacity, 2)
    state = history.new_state(3)
    for size in sizes:
        history.append(state, row, numbered(int(state.end[row]), size))
    total = sum(sizes)
    assert state.end.tolist() == [total if number == row else 0 for number in range(3)]
    oldest = max(0, total - capacity)
    start = data.draw(st.integers(oldest, total))
    end = data.draw(st.integers(start, total))
    view = history.view(state, row, start, end)
    np.testing.assert_array_equal(view, numbered(start, end - start))
    assert view.flags.c_contiguous
    assert np.shares_memory(view, state.frames) or start == end


@pytest.mark.parametrize(("start", "end"), [(0, 3), (4, 9), (6, 5)])
def test_frames_that_are_not_retained_are_refused(start: int, end: int) -> None:
    history = FrameHistory(4, 2)
    state = history.new_state(1)
    history.append(state, 0, numbered(0, 8))
    with pytest.raises(IndexError, match=r"retained \[4, 8\)"):
        history.view(state, 0, start, end)
