"""Lab Streaming Layer, for researchers who record labels beside other sensors (https://labstreaminglayer.org)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from stream_ser import protocol
from stream_ser.bridges import missing_library


def bridge(messages: Iterable[protocol.ServerMessage], name: str) -> None:
    """Publish two streams as long as messages come: ``name``, the probabilities, and ``name``-markers, the speech events.

    Samples carry the time of the end of the speech that they are about, on the clock of LSL, if the clocks of this machine
    and the daemon's agree. Markers are ``speech_start``, ``speech_end`` and ``final:LABEL``.

    Raises:
        BridgeError: pylsl is not installed.
    """
    try:
        import pylsl
    except ImportError:
        raise missing_library("pylsl") from None
    outlet: pylsl.StreamOutlet | None = None
    markers = pylsl.StreamOutlet(pylsl.StreamInfo(f"{name}-markers", "Markers", 1, 0.0, "string", f"{name}-markers"))
    labels: tuple[str, ...] = ()
    started_at = 0.0

    def to_lsl_time(stream_time: float) -> float:
        return float(pylsl.local_clock()) - (time.time() - (started_at + stream_time))

    for message in messages:
        match message:
            case protocol.Hello():
                started_at = message.started_at
                if outlet is None:
                    labels = message.labels
                    info = pylsl.StreamInfo(name, "Emotion", len(labels), 0.0, "float32", name)
                    _name_channels(info, labels)
                    outlet = pylsl.StreamOutlet(info)
            case protocol.SpeechStart():
                markers.push_sample(["speech_start"], to_lsl_time(message.start))
            case protocol.SpeechEnd():
                markers.push_sample(["speech_end"], to_lsl_time(message.end))
            case protocol.Emotion() if outlet is not None:
                outlet.push_sample([message.probabilities[label] for label in labels], to_lsl_time(message.end))
                if message.is_final:
                    markers.push_sample([f"final:{message.label}"], to_lsl_time(message.end))
            case _:
                pass


def _name_channels(info: Any, labels: Iterable[str]) -> None:
    """Add the name of each channel, in the form of XDF (https://github.com/sccn/xdf/wiki/EEG-Meta-Data)."""
    channels = info.desc().append_child("channels")
    for label in labels:
        channels.append_child("channel").append_child_value("label", label)
