from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import stretched

from stream_ser.audio.ring import Discontinuity, SampleRing, WakeEvent

pytestmark = pytest.mark.unit


def numbered(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)


@given(
    capacity=st.integers(1, 50),
    steps=st.lists(st.tuples(st.sampled_from(["write", "read"]), st.integers(0, 120)), max_size=60),
)
def test_every_sample_is_read_in_order_or_counted_as_lost(capacity: int, steps: list[tuple[str, int]]) -> None:
    ring = SampleRing(capacity, WakeEvent())
    written = position = 0
    for step, count in [*steps, ("read", capacity)]:
        if step == "write":
            ring.write(numbered(written, count))
            written += count
            continue
        chunk = ring.read(count)
        position += chunk.lost
        np.testing.assert_array_equal(chunk.samples, numbered(position, len(chunk.samples)))
        position += len(chunk.samples)
        assert len(chunk.samples) <= count
    assert position == written


@given(
    capacity=st.integers(10, 60),
    steps=st.lists(st.tuples(st.sampled_from(["write", "read", "break"]), st.integers(0, 40)), max_size=60),
)
def test_a_break_comes_between_the_samples_that_it_parts(capacity: int, steps: list[tuple[str, int]]) -> None:
    ring = SampleRing(capacity, WakeEvent())
    written = position = 0
    due: list[tuple[int, Discontinuity]] = []
    for step, count in [*steps, *[("read", capacity)] * 2 * (len(steps) + 1)]:
        if step == "write":
            ring.write(numbered(written, count))
            written += count
        elif step == "break":
            due.append((written, Discontinuity(count, 16_000)))
            ring.interrupt(due[-1][1])
        else:
            chunk = ring.read(count)
            position += chunk.lost
            if chunk.discontinuity is not None:
                assert due.pop(0) == (position, chunk.discontinuity)
                assert not chunk.lost
            position += len(chunk.samples)
            assert not due or position <= due[0][0]
    assert position == written
    assert not due


def test_nothing_is_lost_while_there_is_room() -> None:
    ring = SampleRing(100, WakeEvent())
    for start in range(0, 1_000, 50):
        assert ring.room >= 50
        ring.write(numbered(start, 50))
        chunk = ring.read(50)
        assert chunk.lost == 0
        assert len(chunk.samples) == 50


def test_a_fast_writer_never_hands_torn_samples_to_the_reader() -> None:
    ring, total = SampleRing(997, WakeEvent()), 2_000_000
    position = lost = 0

    def write() -> None:
        for start in range(0, total, 800):
            ring.write(numbered(start, 800))
        ring.end()

    writer = threading.Thread(target=write)
    writer.start()
    while not (ring.ended and position == total):
        chunk = ring.read(600)
        position += chunk.lost
        lost += chunk.lost
        np.testing.assert_array_equal(chunk.samples, numbered(position, len(chunk.samples)))
        position += len(chunk.samples)
    writer.join()
    assert lost > 0


def test_what_is_overwritten_while_it_is_read_is_lost_not_torn(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = SampleRing(100, WakeEvent())
    ring.write(numbered(0, 100))
    copy = np.concatenate

    def overtaken(parts: tuple[np.ndarray, ...]) -> np.ndarray:
        ring.write(numbered(100, 30))
        return copy(parts)

    monkeypatch.setattr(np, "concatenate", overtaken)
    chunk = ring.read(50)
    monkeypatch.undo()
    assert chunk.lost == 30
    np.testing.assert_array_equal(chunk.samples, numbered(30, 20))
    np.testing.assert_array_equal(ring.read(200).samples, numbered(50, 80))


def test_a_signal_set_before_the_wait_is_not_missed_and_counts_once() -> None:
    signal = WakeEvent()
    signal.set()
    signal.set()
    assert signal.wait(0.0)
    assert not signal.wait(0.0)


def test_a_write_wakes_the_waiting_reader() -> None:
    signal = WakeEvent()
    ring = SampleRing(10, signal)
    woken = threading.Event()
    reader = threading.Thread(target=lambda: woken.set() if signal.wait(stretched(30.0)) else None)
    reader.start()
    ring.write(numbered(0, 1))
    reader.join()
    assert woken.is_set()


def test_a_reader_is_woken_for_no_fewer_samples_than_it_waits_for() -> None:
    signal = WakeEvent()
    ring = SampleRing(100, signal)
    ring.wanted = 30
    ring.write(numbered(0, 20))
    assert not signal.wait(0.0)
    assert ring.waiting == 20
    ring.write(numbered(20, 10))
    assert signal.wait(0.0)
    ring.end()
    assert signal.wait(0.0)
