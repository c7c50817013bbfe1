"""Streaming features: the only MFCC in the project, for training and for live audio."""

from stream_ser.features.history import FrameHistory, HistoryState
from stream_ser.features.mfcc import MfccSettings, MfccState, StreamingMfcc
from stream_ser.features.offset import OffsetRemoval, OffsetState

__all__ = [
    "FrameHistory", "HistoryState", "MfccSettings", "MfccState", "OffsetRemoval", "OffsetState", "StreamingMfcc",
]  # fmt: skip
