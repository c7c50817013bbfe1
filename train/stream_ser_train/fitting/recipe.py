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
    complete_share: float = 0.8
    """Share of windows that reach the end of the utterance, as the final one does; the others end at some live hop."""
    unaltered_share: float = 0.0
    """Share of windows that are cut from the clip as it is."""
    checkpoint_every: int = 10
    alterations: FrameAlterations | None = field(default_factory=FrameAlterations)


_SEED_STRIDE = 100
"""Between the seeds of the fits of one model; seeds of an evaluation are fewer."""


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """One network and how it is fitted: several times; the members of all fits are one ensemble."""

    network: LstmSettings | MlpSettings
    fits: tuple[FitSettings, ...]
    temperature: float = 1.0
    """What the logits of the bundle are divided by: the mean of the temperatures that fit the inner held-out speakers of the
    five folds (``temperatures`` in the speaker-independent results). The few speakers that a training run holds out are too
    few for that: some are far easier than others."""

    def seeded(self, seed: int) -> tuple[tuple[FitSettings, int], ...]:
        """Each fit with a seed of its own, the first with ``seed`` itself."""
        return tuple((settings, seed + _SEED_STRIDE * number) for number, settings in enumerate(self.fits))


BABBLE_ONLY = FrameAlterations(
    tempo=1.0, vocal_tract=1.0, channel_db=0.0, gain_db=0.0, share=0.0, babble_share=0.5, overhang=20.0
)
"""Babble behind some windows, and for a while before and after the speaker; frames are not altered otherwise."""


VOICES_AND_BABBLE = FrameAlterations(babble_share=0.35)
"""Altered voices and channels, and babble behind some windows: a quarter of all, counting the unaltered ones."""


def _models(lstm_epochs: int, mlp_epochs: int) -> dict[str, ModelRecipe]:
    # Windows that end before the speaker does cost accuracy at the end and are needed for early labels: one fit has few.
    early = FitSettings(lstm_epochs, weight_decay=0.3, unaltered_share=0.1, alterations=VOICES_AND_BABBLE)
    final = replace(early, complete_share=0.95, alterations=replace(VOICES_AND_BABBLE, share=1.0))
    # Their errors differ: one has babble behind unaltered frames, the other behind altered ones.
    babble = FitSettings(mlp_epochs, peak_rate=3e-3, unaltered_share=0.3, alterations=BABBLE_ONLY)
    altered = replace(babble, weight_decay=0.3, alterations=FrameAlterations(babble_share=0.4, overhang=BABBLE_ONLY.overhang))
    return {
        "lstm": ModelRecipe(LstmSettings(), (early, final), temperature=0.95),
        "mlp": ModelRecipe(MlpSettings(input_dropout=0.2, dropout=0.4), (babble, altered), temperature=0.82),
    }


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained on, which models, for how long, and the facts that bundles carry about using them together."""

    features: MfccSettings = field(default_factory=MfccSettings)
    copies: CopySettings = field(default_factory=CopySettings)
    models: dict[str, ModelRecipe] = field(default_factory=lambda: _models(240, 300))
    fusion_temperature: float = 0.87
    """What the logits of the fused models are divided by: the mean of what fits the inner held-out speakers of the five folds
    (``temperatures`` in the speaker-independent results)."""
    threshold: float = 0.35
    """Fused probability below which a label is ``uncertain``. It leaves a label on more than nine utterances of ten, on the
    risk and coverage curve of the inner held-out speakers; of the labels that it withholds, two in three would be wrong."""
    baseline_epochs: int = 100


FULL = Recipe()
QUICK = Recipe(copies=CopySettings(count=1), models=_models(4, 4), baseline_epochs=4)
"""A smoke run: every stage runs, nothing is learnt."""
QUICK_CLIPS = 10
"""Clips of each speaker in a smoke run."""
