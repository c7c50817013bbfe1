"""The recipe in numbers, for all commands that train."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from stream_ser.features import MfccSettings
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.augmentation.frames import FrameAlterations
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast a network learns, and how its windows are altered."""

    epochs: int
    batch: int = 64
    peak_rate: float = 2e-3
    warm_up: float = 0.1
    weight_decay: float = 5e-2
    label_smoothing: float = 0.1
    whole: float = 0.8
    """Share of windows that take the utterance to its end, as a final answer does; the others end at some live hop."""
    unaltered: float = 0.0
    """Share of windows that are cut from the clip as it is."""
    checkpoint_every: int = 10
    alterations: FrameAlterations | None = field(default_factory=FrameAlterations)


_APART = 100
"""Between the seeds of the fits of one model; seeds of an evaluation are fewer."""


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """One network and how its members are fitted: it is fitted several times, and the members of all fits answer together."""

    network: LstmSettings | MlpSettings
    fits: tuple[FitSettings, ...]
    temperature: float = 1.0
    """What the logits of the bundle are divided by: the mean of what the inner held-out speakers of the five folds ask for
    (``temperatures`` in the speaker-independent results). The few that a training run holds out say too
    little: some are far easier than others."""

    def seeded(self, seed: int) -> tuple[tuple[FitSettings, int], ...]:
        """Each fit with a seed of its own, the first with ``seed`` itself."""
        return tuple((settings, seed + _APART * number) for number, settings in enumerate(self.fits))


OTHERS_ONLY = FrameAlterations(
    tempo=1.0, vocal_tract=1.0, channel_db=0.0, gain_db=0.0, share=0.0, babble_share=0.5, overhang=20.0
)
"""Others talk behind some windows, and for a while before and after the speaker; no frame is altered else."""


VOICES_AND_OTHERS = FrameAlterations(babble_share=0.35)
"""Voices and channels are altered, and others talk behind some windows: a quarter of all, with those as they are."""


def _models(lstm_epochs: int, mlp_epochs: int) -> dict[str, ModelRecipe]:
    # Windows that end before the speaker does cost the final answer, and early answers need them: one fit has few of them.
    early = FitSettings(lstm_epochs, weight_decay=0.3, unaltered=0.1, alterations=VOICES_AND_OTHERS)
    final = replace(early, whole=0.95, alterations=replace(VOICES_AND_OTHERS, share=1.0))
    # The two err apart: in one others talk behind the frames as they are, in the other frames are altered too.
    amid = FitSettings(mlp_epochs, peak_rate=3e-3, unaltered=0.3, alterations=OTHERS_ONLY)
    altered = replace(amid, weight_decay=0.3, alterations=FrameAlterations(babble_share=0.4, overhang=OTHERS_ONLY.overhang))
    return {
        "lstm": ModelRecipe(LstmSettings(), (early, final), temperature=0.95),
        "mlp": ModelRecipe(MlpSettings(input_dropout=0.2, dropout=0.4), (amid, altered), temperature=0.82),
    }


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained on, which models, and for how long."""

    features: MfccSettings = field(default_factory=MfccSettings)
    copies: CopySettings = field(default_factory=CopySettings)
    models: dict[str, ModelRecipe] = field(default_factory=lambda: _models(240, 300))
    original_epochs: int = 100


FULL = Recipe()
QUICK = Recipe(copies=CopySettings(count=1), models=_models(4, 4), original_epochs=4)
"""A smoke run: everything happens, nothing is learnt."""
QUICK_CLIPS = 10
"""Clips of each speaker that a smoke run takes."""
