"""An evaluation on a small corpus: what is trained on, what is written, what is resumed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from speech_corpus import write_corpus
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import Clip, Corpus, open_corpus
from stream_ser_train.data.splits import by_speaker
from stream_ser_train.data.utterances import ClipUtterances, extract_utterances
from stream_ser_train.evaluation.evaluate import evaluate, summary
from stream_ser_train.evaluation.plan import Plan
from stream_ser_train.evaluation.predict import restrict_to
from stream_ser_train.evaluation.protocols import FUSED, Protocol
from stream_ser_train.fitting import jobs
from stream_ser_train.fitting.baseline import BASELINES
from stream_ser_train.fitting.batches import measure
from stream_ser_train.fitting.fit import fit
from stream_ser_train.fitting.jobs import BaselineTraining, BundleTraining, FitTraining
from stream_ser_train.fitting.recipe import FitSettings, ModelRecipe, Recipe
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, Scale
from stream_ser_train.progress import silent

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import MODELS

pytestmark = pytest.mark.training

BRIEF = Recipe(
    copies=CopySettings(count=1),
    models={
        "lstm": ModelRecipe(LstmSettings(members=1, projection=16, units=16), (FitSettings(epochs=1),)),
        "mlp": ModelRecipe(MlpSettings(members=1), (FitSettings(epochs=1), FitSettings(epochs=1, unaltered_share=0.5))),
    },
    baseline_epochs=1,
)
ACTORS = (2, 3, 10, 8, 1)
"""One of each fold."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return open_corpus(write_corpus(tmp_path_factory.mktemp("data"), ACTORS, emotions=(1, 2, 3, 5)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def plan(corpus: Corpus, cache: Path, calibrated: bool = True) -> Plan:
    return Plan(tuple(by_speaker(corpus.clips)), (0,), BRIEF, cache, calibrated)


def utterances(corpus: Corpus, cache: Path) -> list[ClipUtterances]:
    return extract_utterances(corpus.clips, BRIEF.copies, BRIEF.features, cache, silent)


def test_every_fold_and_model_is_scored_and_written(corpus: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int]] = []
    planned = plan(corpus, cache)
    outcome = evaluate(planned, utterances(corpus, cache), 2, lambda done, total: steps.append((done, total)))
    # Five folds of two models, and five pairs of folds for their temperatures: 20 bundles, of one fit each and of two.
    assert steps[-1] == (20 + 10 + 20 + 10, 60), "with ten models of the baseline"
    result = json.loads(json.dumps(summary(outcome, Protocol.SPEAKER_INDEPENDENT, "stream-ser evaluate")))
    assert set(result["models"]) == {*MODELS, *BASELINES, FUSED}
    assert [fold["test_speakers"] for fold in result["folds"]] == [[f"ravdess {actor:02}"] for actor in ACTORS]
    for model in result["models"].values():
        assert len(model["uar"]["per_fold"]) == 5
        assert model["uar"]["mean"] == pytest.approx(np.mean(model["uar"]["per_fold"]), abs=1e-3)
        assert 0.0 <= model["accuracy"]["mean"] <= 1.0
        assert 0.0 <= model["ece"] <= 1.0
    assert {model: len(found) for model, found in result["temperatures"].items()} == dict.fromkeys((*MODELS, FUSED), 5)
    assert result["leaky"] is False
    assert {"protocol", "seeds", "command", "commit", "machine", "wall_s"} <= set(result)

    def no_training(self: object, threads: int) -> None:
        raise AssertionError("the file exists")

    monkeypatch.setattr(FitTraining, "run", no_training)
    monkeypatch.setattr(BundleTraining, "run", no_training)
    monkeypatch.setattr(BaselineTraining, "run", no_training)
    again = evaluate(planned, utterances(corpus, cache), 2, silent)
    assert summary(again, Protocol.SPEAKER_INDEPENDENT, "")["models"] == result["models"]


@pytest.mark.parametrize("model", MODELS)
def test_no_clip_of_a_test_speaker_reaches_fitting(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """By identity, in what a network, its normalisation and its augmented copies are made from; calibration as well."""
    fitted: list[ClipUtterances] = []

    def watched(
        network: LstmSettings | MlpSettings,
        settings: FitSettings,
        features: MfccSettings,
        items: Sequence[ClipUtterances],
        seed: int,
    ) -> object:
        fitted.extend(items)
        return fit(network, settings, features, items, seed)

    def measured(items: Sequence[ClipUtterances]) -> Scale:
        fitted.extend(items)
        return measure(items)

    monkeypatch.setattr(jobs, "fit", watched)
    monkeypatch.setattr(jobs, "measure", measured)
    monkeypatch.setattr(jobs, "write_bundles", lambda *arguments: None)  # slow, and not what this is about
    # TensorFlow runs in this process already, and then refuses a change of its threads.
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda threads: None)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda threads: None)
    (tmp_path / "trainings").mkdir()
    planned = plan(corpus, tmp_path)
    frames = {part.tobytes(): one.clip for one in utterances(corpus, tmp_path) for copy in one.copies for part in copy}
    for number, split in enumerate(planned.splits):
        tested = {clip.speaker for clip in split.test}
        fold = planned.training(model, 0, split)
        for training, left_out in [(fold, None), *planned.inner(number, model)]:
            fitted.clear()
            for part in training.fits:
                part.run(1)
            training.run(1)
            speakers = {one.clip.speaker for one in fitted}
            assert speakers
            assert not speakers & tested
            owners = {frames[part.tobytes()].speaker for one in fitted for copy in one.copies for part in copy}
            assert owners == speakers, "the frames belong to the clips that they are listed with"
            if left_out is not None:
                calibrated_on = {clip.speaker for clip in planned.splits[left_out].test}
                assert not calibrated_on & tested
                assert not calibrated_on & speakers


def test_each_fit_of_a_model_has_its_own_seed_and_file(corpus: Corpus, cache: Path) -> None:
    split = next(iter(by_speaker(corpus.clips)))
    twice = replace(BRIEF, models={"mlp": ModelRecipe(MlpSettings(), (FitSettings(epochs=1),) * 2)})
    one, other = BundleTraining(split.train, 0, "mlp", twice, cache).fits
    again, _ = BundleTraining(split.train, 1, "mlp", twice, cache).fits
    assert one.settings == other.settings
    assert len({one.seed, other.seed, again.seed}) == len({one.file, other.file, again.file}) == 3


def test_an_inner_model_serves_both_of_its_folds(corpus: Corpus, tmp_path: Path) -> None:
    planned = plan(corpus, tmp_path)
    files = {training.file for number in range(5) for training, _ in planned.inner(number, "mlp")}
    assert len(files) == 5


def test_a_change_of_recipe_or_data_is_trained_anew(corpus: Corpus, tmp_path: Path) -> None:
    first, second, *_ = by_speaker(corpus.clips)
    longer = replace(BRIEF, models={**BRIEF.models, "mlp": ModelRecipe(MlpSettings(), (FitSettings(epochs=2),))})
    noisier = replace(BRIEF, copies=CopySettings(count=1, noise_share=1.0))
    other: tuple[Clip, ...] = (replace(first.train[0], checksum=1), *first.train[1:])
    files = {
        training.file
        for training in (
            BundleTraining(first.train, 0, "mlp", BRIEF, tmp_path),
            BundleTraining(second.train, 0, "mlp", BRIEF, tmp_path),
            BundleTraining(other, 0, "mlp", BRIEF, tmp_path),
            BundleTraining(first.train, 1, "mlp", BRIEF, tmp_path),
            BundleTraining(first.train, 0, "lstm", BRIEF, tmp_path),
            BundleTraining(first.train, 0, "mlp", longer, tmp_path),
            BundleTraining(first.train, 0, "mlp", noisier, tmp_path),
        )
    }
    assert len(files) == 7


def test_a_prediction_is_one_of_the_choices() -> None:
    predictions = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(restrict_to((1, 2), predictions), [[0.0, 0.6, 0.4], [0.0, 0.0, 0.0]], atol=1e-6)
