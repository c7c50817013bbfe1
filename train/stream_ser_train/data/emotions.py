"""The labels of what is trained here."""

from __future__ import annotations

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""The emotions of RAVDESS, in the order of its file names; the order of every probability vector."""
