"""Lab Streaming Layer: to researchers who record it beside other sensors (https://labstreaminglayer.org)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from stream_ser import protocol
from stream_ser.bridges import missing


def bridge(messages: Iterable[protocol.ServerMessage], name: str) -> None:
    """Offer two streams for as long as messages come: ``name``, the probabilities, and ``name``-markers, what happens.

    Samples carry the time of the end of what they are about, on the clock of LSL, if the clocks of this machine and the
    daemon's agree. Markers are ``speech_start``, ``speech_end`` and ``final:LABEL``.

    Raises:
        BridgeError: pylsl is not installed.
    """
    try:
        import pylsl
    except ImportError:
        raise missing("pylsl") from None
    outlet: pylsl.StreamOutlet | None = None
    markers = pylsl.StreamOutlet(pylsl.StreamInfo(f"{name}-markers", "Markers", 1, 0.0, "string", f"{name}-markers"))
    labels: tuple[str, ...] = ()
    began = 0.0

    def clock(stream_time: float) -> float:
        return float(pylsl.local_clock()) - (time.time() - (began + stream_time))

    for message in messages:
        match message:
            case protocol.Hello():
                began = message.started_at
                if outlet is None:
                    labels = message.labels
                    outlet = pylsl.StreamOutlet(
                        _info(pylsl.StreamInfo(name, "Emotion", len(labels), 0.0, "float32", name), labels)
                    )
            case protocol.SpeechStart():
                markers.push_sample(["speech_start"], clock(message.start))
            case protocol.SpeechEnd():
                markers.push_sample(["speech_end"], clock(message.end))
            case protocol.Emotion() if outlet is not None:
                outlet.push_sample([message.probabilities[label] for label in labels], clock(message.end))
                if message.is_final:
                    markers.push_sample([f"final:{message.label}"], clock(message.end))
            case _:
                pass


def _info(info: Any, labels: Iterable[str]) -> Any:
    """The description with the name of each channel, as XDF has it."""
    channels = info.desc().append_child("channels")
    for label in labels:
        channels.append_child("channel").append_child_value("label", label)
    return info
