from __future__ import annotations

import numpy as np
import pytest
from speech_corpus import clip
from stream_ser_train.augmentation.frames import FrameAlterations, FrameAugmentation
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.fitting.batches import TrainingSet, measure, pad

from stream_ser.features import MfccSettings

pytestmark = pytest.mark.training


def utterances(actor: int, *copies: list[int], emotion: int = 1) -> ClipUtterances:
    """A clip whose utterances have the given lengths by copy; frame t of copy c holds (t, c)."""
    made = tuple(
        tuple(np.stack([np.arange(n), np.full(n, c)], axis=1).astype(np.float32) for n in lengths)
        for c, lengths in enumerate(copies)
    )
    return ClipUtterances(clip(emotion, actor), made)


def epoch(training: TrainingSet, seed: int = 0, size: int = 8) -> list[tuple[np.ndarray, int]]:
    rows = []
    for batch in training.batches(size, np.random.default_rng(seed)):
        for row, length, emotion in zip(batch.mfcc, batch.length, batch.emotion, strict=True):
            assert not row[length:].any()
            rows.append((row[:length], int(emotion)))
    return rows


def test_an_epoch_has_every_clip_once() -> None:
    clips = [utterances(actor, [50 + actor], [60 + actor], emotion=1 + actor % 8) for actor in range(1, 25)]
    rows = epoch(TrainingSet(clips))
    assert sorted(emotion for _, emotion in rows) == sorted(one.clip.emotion for one in clips)


def test_windows_are_cut_where_live_windows_are_cut() -> None:
    training = TrainingSet([utterances(1, [500])], window=300, shortest=40, hop=10)
    lengths = set()
    for seed in range(300):
        ((window, _),) = epoch(training, seed)
        end = int(window[-1, 0]) + 1
        assert end == 500 or (end - 40) % 10 == 0
        assert len(window) == min(end, 300)
        np.testing.assert_array_equal(window[:, 0], np.arange(end - len(window), end))
        lengths.add(end)
    assert 500 in lengths
    assert min(lengths) < 100
    assert len(lengths) > 30


def test_windows_are_drawn_from_all_copies() -> None:
    training = TrainingSet([utterances(1, [60], [60], [60])], complete_share=1.0)
    assert {epoch(training, seed)[0][0][0, 1] for seed in range(60)} == {0.0, 1.0, 2.0}


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_a_share_of_the_windows_is_unaltered(share: float, least: int, most: int) -> None:
    settings = MfccSettings()
    rng = np.random.default_rng(3)
    clean, copy = (rng.standard_normal((1, 60, settings.coefficients)).astype(np.float32) for _ in range(2))
    louder = FrameAugmentation(settings, FrameAlterations(tempo=1.0, gain_db=60.0, babble_share=0.0))
    item = ClipUtterances(clip(1, 1), (tuple(clean), tuple(copy)))
    training = TrainingSet([item], complete_share=1.0, unaltered_share=share, augmentation=louder)
    unaltered = sum(np.array_equal(epoch(training, seed)[0][0], clean[0]) for seed in range(200))
    assert least <= unaltered <= most


def test_a_clip_without_unaltered_utterances_uses_its_copies() -> None:
    assert epoch(TrainingSet([utterances(1, [], [50])], unaltered_share=1.0, complete_share=1.0))[0][0][0, 1] == 1.0


def test_equal_generators_give_equal_epochs() -> None:
    training = TrainingSet([utterances(actor, [90, 45], [100]) for actor in range(1, 20)])
    for (one, _), (other, _) in zip(epoch(training, 5), epoch(training, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_clip_without_speech_is_left_out() -> None:
    training = TrainingSet([utterances(1, [], []), utterances(2, [50], [])])
    assert len(epoch(training)) == 1


def test_padding_is_coarse_and_at_the_end() -> None:
    batch = pad([np.ones((31, 2), np.float32), np.ones((7, 2), np.float32)], [3, 4])
    assert batch.mfcc.shape == (2, 40, 2)
    assert batch.length.tolist() == [31, 7]
    assert batch.mfcc.sum() == 2 * 38


def test_the_scale_is_measured_on_unaltered_utterances() -> None:
    scale = measure([utterances(1, [11], [99]), utterances(2, [11], [99])])
    assert scale.mean.tolist() == pytest.approx([5.0, 0.0])
    assert scale.variance[0] == pytest.approx(10.0)
