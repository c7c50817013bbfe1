"""What an evaluation trains: its protocol, its splits, and the models of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stream_ser.models.bundle import MODELS
from stream_ser_train.data.splits import Split
from stream_ser_train.fitting.baseline import BASELINES
from stream_ser_train.fitting.jobs import BaselineTraining, BundleTraining
from stream_ser_train.fitting.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an evaluation trains."""

    splits: tuple[Split, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    cache: Path
    calibrated: bool
    """With temperatures fitted on speakers of the training side; needs splits that are folds by speaker."""

    def training(self, model: str, seed: int, split: Split) -> BundleTraining:
        """A model of the recipe."""
        return BundleTraining(split.train, seed, model, self.recipe, self.cache)

    def baseline(self, model: str, seed: int, split: Split) -> BaselineTraining:
        """A model of the baseline."""
        return BaselineTraining(split.train, split.test, seed, model, self.recipe.baseline_epochs, self.cache)

    def without(self, one: int, other: int, model: str) -> BundleTraining:
        """The model trained on neither the speakers of fold ``one`` nor those of fold ``other``.

        It serves both folds: for each it is tested on clips of the other, which is on its training side. One seed of it is
        trained, the first.
        """
        tested = set(self.splits[other].test)
        clips = tuple(clip for clip in self.splits[one].train if clip not in tested)
        return BundleTraining(clips, self.seeds[0], model, self.recipe, self.cache)

    def inner(self, number: int, model: str) -> tuple[tuple[BundleTraining, int], ...]:
        """The inner splits of fold ``number``: models trained without it and without another fold, each with that other."""
        count = len(self.splits)
        after, before = (number + 1) % count, (number - 1) % count
        return (self.without(number, after, model), after), (self.without(before, number, model), before)

    def bundles(self) -> list[BundleTraining]:
        """All models of the recipe, those that take longest first."""
        planned: list[BundleTraining] = []
        for model in MODELS:
            if self.calibrated:
                planned += [training for number in range(len(self.splits)) for training, _ in self.inner(number, model)]
            planned += [self.training(model, seed, split) for seed in self.seeds for split in self.splits]
        return planned

    def baselines(self) -> list[BaselineTraining]:
        """All models of the baseline."""
        return [self.baseline(model, seed, split) for model in BASELINES for seed in self.seeds for split in self.splits]
