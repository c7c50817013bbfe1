"""Streaming features: the only MFCC in the project, for training and for live audio."""

from stream_ser.features.history import FrameHistory
from stream_ser.features.mfcc import MfccSettings, StreamingMfcc, push_all
from stream_ser.features.offset import OffsetRemoval

__all__ = ["FrameHistory", "MfccSettings", "OffsetRemoval", "StreamingMfcc", "push_all"]
