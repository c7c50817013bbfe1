from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from speech_corpus import clip
from stream_ser_train.augmentation.frames import FrameAlterations
from stream_ser_train.data.utterances import Heard
from stream_ser_train.evaluation.predict import clip_answers
from stream_ser_train.fitting.fit import History, InterruptedFitError, keras_model
from stream_ser_train.fitting.fit import fit as fit_network
from stream_ser_train.fitting.recipe import FitSettings
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings
from stream_ser_train.report.progress import Step, silent

from stream_ser.features import MfccSettings

pytestmark = pytest.mark.training

FEATURES = MfccSettings(filters=40, coefficients=30)
SHORT = FitSettings(epochs=6, batch=16, checkpoint_every=2)
NETWORKS: dict[str, LstmSettings | MlpSettings] = {"lstm": LstmSettings(projection=32, units=64), "mlp": MlpSettings()}


def toy(actors: range, shift: float = 2.0) -> list[Heard]:
    """Two emotions that differ in the first coefficient."""
    rng = np.random.default_rng(0)
    made = []
    for actor in actors:
        for emotion in (1, 2):
            frames = rng.standard_normal((60, 30)).astype(np.float32)
            frames[:, 0] += shift * emotion
            made.append(Heard(clip(emotion, actor), ((frames,), (frames + 0.1,))))
    return made


def fit(
    name: str,
    heard: list[Heard],
    settings: FitSettings,
    seed: int,
    held_out: list[Heard] | None = None,
    checkpoint: Path | None = None,
    epoch_done: Step = silent,
) -> tuple[keras.Model, History]:
    network = NETWORKS[name]
    return fit_network(
        network, settings, FEATURES, heard, seed, held_out=held_out or [], checkpoint=checkpoint, epoch_done=epoch_done
    )


def weights(model: keras.Model) -> Iterator[np.ndarray]:
    for variable in model.trainable_variables:
        yield variable.numpy()


@pytest.mark.parametrize("name", ["lstm", "mlp"])
def test_a_network_learns_what_can_be_learnt(name: str) -> None:
    held_out = toy(range(20, 25), 4.0)
    # With others behind it, this little is not learnt so fast.
    settings = FitSettings(epochs=40, batch=16, alterations=FrameAlterations(babble_share=0.0))
    model, history = fit(name, toy(range(1, 20), 4.0), settings, 0, held_out=held_out)
    answers = clip_answers(keras_model(model), held_out)
    assert np.mean(answers.argmax(axis=1) == [one.clip.emotion for one in held_out]) >= 0.9
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
def test_matrices_of_a_network_fit_into_half_the_bytes(name: str) -> None:
    model, _ = fit(name, toy(range(1, 5)), replace(SHORT, epochs=1), 0)
    for trained in model.get_weights():
        if trained.ndim > 1:
            np.testing.assert_array_equal(trained, trained.astype(np.float16).astype(np.float32))


def test_an_interrupted_fit_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
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


def test_a_finished_fit_is_not_done_again(tmp_path: Path) -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path)
    epochs: list[int] = []
    again, _ = fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=lambda epoch, _: epochs.append(epoch))
    assert epochs == []
    assert all(np.array_equal(a, b) for a, b in zip(weights(model), weights(again), strict=True))


def test_an_interruption_before_the_first_checkpoint_says_so(tmp_path: Path) -> None:
    def interrupt(epoch: int, epochs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedFitError) as stopped:
        fit("mlp", toy(range(1, 9)), SHORT, 0, checkpoint=tmp_path, epoch_done=interrupt)
    assert stopped.value.checkpoint is None


def test_a_clip_is_answered_by_its_utterances_weighted_by_length() -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0)
    (first, second) = (one.copies[0][0] for one in toy(range(1, 2)))
    spoken = clip(1, 1)
    long, short = np.concatenate((first, first)), second
    (both,) = clip_answers(keras_model(model), [Heard(spoken, ((long, short),))])
    (of_long,), (of_short,) = (clip_answers(keras_model(model), [Heard(spoken, ((part,),))]) for part in (long, short))
    np.testing.assert_allclose(both, (2 * of_long + of_short) / 3, atol=1e-5)


def test_a_clip_in_which_nothing_was_heard_has_no_answer() -> None:
    model, _ = fit("mlp", toy(range(1, 9)), SHORT, 0)
    answers = clip_answers(keras_model(model), [Heard(clip(1, 1), ((),)), *toy(range(1, 2))])
    assert not answers[0].any()
    np.testing.assert_allclose(answers[1:].sum(axis=1), 1.0, atol=1e-5)
