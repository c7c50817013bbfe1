from __future__ import annotations

import io

import pytest
from rich.console import Console

from stream_ser import protocol
from stream_ser.outputs.console import LabelView

pytestmark = pytest.mark.unit


def emotion(label: str, end: float, *, is_final: bool = False) -> protocol.Emotion:
    probabilities = {"sad": 0.7, "calm": 0.3}
    return protocol.Emotion(
        start=0.0, end=end, label=label, confidence=0.7, probabilities=probabilities, models={}, is_final=is_final
    )


def shown(*messages: protocol.ServerMessage, terminal: bool = False) -> str:
    out = io.StringIO()
    with LabelView(Console(file=out, force_terminal=terminal, width=120)) as view:
        for message in messages:
            view.show(message)
    return out.getvalue()


def test_a_log_has_a_line_for_each_change_and_none_for_each_hop() -> None:
    interim = [emotion("sad", 0.1 * hop) for hop in range(1, 9)]
    text = shown(*interim, emotion("calm", 0.9), emotion("sad", 1.0, is_final=True), protocol.SpeechEnd(start=0.0, end=1.0))
    assert [line.split()[:4] for line in text.splitlines()] == [
        ["0.1", "s", "~", "sad"],
        ["0.9", "s", "~", "calm"],
        ["1.0", "s", "=", "sad"],
        ["1.0", "s", "no_speech"],
    ]


def test_the_runner_up_stands_behind_the_label() -> None:
    assert shown(emotion("sad", 1.0, is_final=True)).rstrip().endswith("calm 30%")
    assert shown(emotion("uncertain", 1.0, is_final=True)).rstrip().endswith("sad 70%")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (protocol.Gap(reason="overflow", start=1.0, seconds=0.5), "lost 0.5 s of audio: overflow"),
        (protocol.Gap(reason="slow_client", messages=3), "lost 3 messages: slow_client"),
        (protocol.Error(code="bad_message", message="what?"), "error bad_message: what?"),
    ],
)
def test_losses_and_errors_are_shown(message: protocol.ServerMessage, text: str) -> None:
    assert text in shown(message)


def test_a_terminal_keeps_the_final_labels() -> None:
    text = shown(emotion("sad", 0.5), emotion("sad", 1.0, is_final=True), terminal=True)
    assert text.count("=") == 1
