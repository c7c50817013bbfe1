"""The search on a small corpus: what a variant changes, and on which speakers it is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from speech_corpus import write_corpus
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import open_corpus
from stream_ser_train.evaluation.search import BRIEF, Variant, VariantResult, search, search_summary, variants
from stream_ser_train.fitting.recipe import FULL, FitSettings, ModelRecipe, Recipe
from stream_ser_train.networks.architectures import MlpSettings
from stream_ser_train.progress import silent

pytestmark = pytest.mark.training


def test_each_variant_differs_in_one_thing_from_the_brief_form_of_the_shipped_recipe() -> None:
    chosen = variants(FULL)
    assert len({(one.model, one.name) for one in chosen}) == len(chosen)
    brief = {one.model: one.recipe for one in chosen if one.name == BRIEF}
    for one in chosen:
        base, own = brief[one.model], one.recipe.models[one.model]
        changed = [one.recipe.features != base.features, one.recipe.copies != base.copies]
        changed += [own.fits != base.models[one.model].fits, own.network != base.models[one.model].network]
        assert sum(changed) == (0 if one.name == BRIEF else 1), one.name
    for model, recipe in brief.items():
        own, shipped = recipe.models[model], FULL.models[model]
        assert replace(own.network, members=shipped.network.members) == shipped.network
        (fit,) = own.fits
        assert replace(fit, epochs=shipped.fits[0].epochs) == shipped.fits[0]
        assert replace(recipe, models=FULL.models) == FULL


def test_a_search_measures_every_variant_on_every_fold(tmp_path: Path) -> None:
    clips = open_corpus(write_corpus(tmp_path / "data", (2, 3, 10, 8, 1), emotions=(1, 5))).clips
    brief = Recipe(
        copies=CopySettings(count=0),
        models={"mlp": ModelRecipe(MlpSettings(members=1), (FitSettings(epochs=1, alterations=None),))},
    )
    longer = replace(brief, models={"mlp": ModelRecipe(MlpSettings(members=2), (FitSettings(epochs=2, alterations=None),))})
    chosen = [Variant(BRIEF, "mlp", brief), Variant("two members", "mlp", longer)]
    steps: list[tuple[int, int]] = []
    results = search(clips, chosen, tmp_path / "cache", 2, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (20, 20), "five models trained on three of five folds, fitted and exported, for each variant"
    assert [one.variant.name for one in results] == [BRIEF, "two members"]
    assert all(len(one.per_fold) == 5 for one in results)
    assert [one.per_fold for one in search(clips, chosen, tmp_path / "cache", 2, silent)] == [one.per_fold for one in results]


def test_the_log_has_the_choice_of_each_fold_alone() -> None:
    good, better = (Variant(name, "mlp", FULL) for name in ("good", "better"))
    result = search_summary([VariantResult(good, (0.5, 0.7), 60.0), VariantResult(better, (0.6, 0.65), 90.0)])
    assert result["best_by_fold"] == {"mlp": ["better", "good"]}
    assert result["variants"]["mlp"]["better"]["inner_uar"] == pytest.approx(0.625)
