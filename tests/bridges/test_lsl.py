"""With real outlets and inlets."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pylsl
import pytest
from patience import stretched

from stream_ser import protocol
from stream_ser.bridges import lsl

pytestmark = pytest.mark.unit

WAIT = stretched(20.0)
LABELS = ("calm", "angry")


def _inlet(name: str) -> Any:
    found = pylsl.resolve_byprop("name", name, timeout=WAIT)
    assert found, f"no stream {name}"
    inlet = pylsl.StreamInlet(found[0])
    inlet.open_stream(WAIT)
    return inlet


def test_a_recorder_gets_probabilities_and_markers_at_the_time_of_what_they_are_about() -> None:
    name, started_at, ready, over = f"stream-ser-{os.getpid()}", time.time() - 10.0, threading.Event(), threading.Event()

    def messages() -> Iterator[protocol.ServerMessage]:
        yield protocol.Hello(
            protocol=protocol.VERSION, version="0", source="yeti", host_api="", sample_rate=16_000, started_at=started_at,
            time=10.0, labels=LABELS, hop=0.1, window=3.0, models={}, provider="CPU", provider_reason="",
        )  # fmt: skip
        assert ready.wait(WAIT)
        yield protocol.SpeechStart(start=8.0)
        yield protocol.Emotion(
            start=8.0,
            end=9.0,
            label="angry",
            confidence=0.75,
            probabilities={"calm": 0.25, "angry": 0.75},
            models={},
            is_final=True,
        )
        yield protocol.SpeechEnd(start=8.0, end=9.0)
        assert over.wait(WAIT)

    bridge = threading.Thread(target=lsl.bridge, args=(messages(), name))
    bridge.start()
    try:
        emotions, markers = _inlet(name), _inlet(f"{name}-markers")
        ready.set()
        values, when = emotions.pull_sample(timeout=WAIT)
        assert values == [0.25, 0.75]
        # Stream time 9 s was a second ago, when 10 s had passed since the start.
        assert time.time() - (pylsl.local_clock() - when) == pytest.approx(started_at + 9.0, abs=0.05)
        events = [markers.pull_sample(timeout=WAIT) for _ in range(3)]
        assert [one[0] for one, _ in events] == ["speech_start", "final:angry", "speech_end"]
        assert events[1][1] - events[0][1] == pytest.approx(1.0, abs=0.05)
        channels = emotions.info(WAIT).get_channel_labels()
        assert channels == list(LABELS)
    finally:
        ready.set()
        over.set()
        bridge.join(WAIT)
