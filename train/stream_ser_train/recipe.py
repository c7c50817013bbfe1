"""The recipe in numbers, for both commands that train."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_ser_train.fit import FitSettings


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained on and for how long."""

    copies: int = 8
    """Altered copies of each clip."""
    fits: dict[str, FitSettings] = field(
        default_factory=lambda: {"lstm": FitSettings(epochs=100), "mlp": FitSettings(epochs=100)}
    )
    original_epochs: int = 100


FULL = Recipe()
QUICK = Recipe(copies=1, fits={"lstm": FitSettings(epochs=4), "mlp": FitSettings(epochs=4)}, original_epochs=4)
"""A smoke run: everything happens, nothing is learnt."""
QUICK_CLIPS = 10
"""Clips of each actor that a smoke run takes."""
