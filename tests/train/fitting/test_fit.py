from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from speech_corpus import clip
from stream_ser_train.augmentation.frames import FrameAlterations
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.evaluation.predict import accuracy, keras_predictor, predict_clips
from stream_ser_train.fitting.fit import History, InterruptedFitError
from stream_ser_train.fitting.fit import fit as fit_network
from stream_ser_train.fitting.recipe import FitSettings
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings
from stream_ser_train.progress import Step, silent

from stream_ser.features import MfccSettings

pytestmark = pytest.mark.training

FEATURES = MfccSettings(filters=40, coefficients=30)
SHORT = FitSettings(epochs=6, batch=16, checkpoint_every=2)
NETWORKS: dict[str, LstmSettings | MlpSettings] = {"lstm": LstmSettings(projection=32, units=64), "mlp": MlpSettings()}


def toy(actors: range, shift: float = 2.0) -> list[ClipUtterances]:
    """Two emotions that differ in the first coefficient."""
    rng = np.random.default_rng(0)
    made = []
    for actor in actors:
        for emotion in (1, 2):
            frames = rng.standard_normal((60, 30)).astype(np.float32)
            frames[:, 0] += shift * emotion
            made.append(ClipUtterances(clip(emotion, actor), ((frames,), (frames + 0.1,))))
    return made


def fit(
    name: str,
    utterances: list[ClipUtterances],
    settings: FitSettings,
    seed: int,
    held_out: list[ClipUtterances] | None = None,
    checkpoint: Path | None = None,
    epoch_done: Step = silent,
) -> tuple[keras.Model, History]:
    def held_out_accuracy(network: keras.Model) -> float:
        assert held_out is not None
        return accuracy(predict_clips(keras_predictor(network), held_out), held_out)

    return fit_network(
        NETWORKS[name],
        settings,
        FEATURES,
        utterances,
        seed,
        accuracy=None if held_out is None else held_out_accuracy,
        checkpoint=checkpoint,
        epoch_done=epoch_done,
    )


def weights(model: keras.Model) -> Iterator[np.ndarray]:
    for variable in model.trainable_variables:
        yield variable.numpy()


@pytest.mark.parametrize("name", ["lstm", "mlp"])
def test_a_network_learns_a_simple_task(name: str) -> None:
    held_out = toy(range(20, 25), 4.0)
    # With babble, this little is not learnt so fast.
    settings = FitSettings(epochs=40, batch=16, alterations=FrameAlterations(babble_share=0.0))
    model, history = fit(name, toy(range(1, 20), 4.0), settings, 0, held_out=held_out)
    assert accuracy(predict_clips(keras_predictor(model), held_out), held_out) >= 0.9
    assert history.held_out[-1][1] >= 0.9
    assert len(history.loss) == 40
    assert history.loss[-1] < history.loss[0]
    assert [epoch for epoch, _ in history.held_out] == [10, 20, 30, 40]


def test_equal_seeds_give_equal_networks() -> None:
    one, _ = fit("mlp", toy(range(1, 9)), SHORT, 3)
    same, _ = fit("mlp", toy(range(1, 9)), SHORT, 3)
    other, _ = fit("mlp", toy(range(1, 9)), SHORT, 4)
    for a, b in zip(weights(one), weights(same), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)  # where memory lies decides how some processors round
    assert not all(np.allclose(a, b, atol=1e-2) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.mark.parametrize("name", ["lstm", "mlp"])
def test_the_matrices_of_a_network_are_float16_numbers(name: str) -> None:
    model, _ = fit(name, toy(range(1, 5)), replace(SHORT, epochs=1), 0)
    for trained in model.get_weights():
        if trained.ndim > 1:
            np.testing.assert_array_equal(trained, trained.astype(np.float16).astype(np.float32))


def test_an_interrupted_fit_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    def interrupt(epoch: int, epochs: int) -> None:
        if epoch == 5:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedFitError) as stopped:
        fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=interrupt)
    assert stopped.value.checkpoint == tmp_path
    epochs: list[int] = []
    _, history = fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=lambda epoch, _: epochs.append(epoch))
    assert epochs == [5, 6]
    assert len(history.loss) == 6


def test_a_finished_fit_is_not_repeated(tmp_path: Path) -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path)
    epochs: list[int] = []
    again, _ = fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=lambda epoch, _: epochs.append(epoch))
    assert epochs == []
    assert all(np.array_equal(a, b) for a, b in zip(weights(model), weights(again), strict=True))


def test_an_interruption_before_the_first_checkpoint_has_none(tmp_path: Path) -> None:
    def interrupt(epoch: int, epochs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedFitError) as stopped:
        fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=interrupt)
    assert stopped.value.checkpoint is None


def test_the_prediction_for_a_clip_is_the_mean_of_its_utterances_weighted_by_length() -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0)
    (first, second) = (one.copies[0][0] for one in toy(range(1, 2)))
    spoken = clip(1, 1)
    long, short = np.concatenate((first, first)), second
    (both,) = predict_clips(keras_predictor(model), [ClipUtterances(spoken, ((long, short),))])
    (of_long,), (of_short,) = (
        predict_clips(keras_predictor(model), [ClipUtterances(spoken, ((part,),))]) for part in (long, short)
    )
    np.testing.assert_allclose(both, (2 * of_long + of_short) / 3, atol=1e-5)


def test_a_clip_without_speech_has_no_prediction() -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0)
    predictions = predict_clips(keras_predictor(model), [ClipUtterances(clip(1, 1), ((),)), *toy(range(1, 2))])
    assert not predictions[0].any()
    np.testing.assert_allclose(predictions[1:].sum(axis=1), 1.0, atol=1e-5)
