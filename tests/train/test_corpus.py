from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import voice
from speech_corpus import clip_name, write_corpus
from stream_ser_train.corpus import CorpusError, default_place, open_corpus

from stream_ser.events import EMOTIONS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "data", actors=(3, 11), emotions=(1, 5))


def test_the_name_of_a_clip_says_who_and_what(folder: Path) -> None:
    corpus = open_corpus(folder)
    assert [(clip.actor, EMOTIONS[clip.emotion]) for clip in corpus.clips] == [
        (3, "neutral"), (11, "neutral"), (3, "angry"), (11, "angry"),
    ]  # fmt: skip
    assert corpus.actors == (3, 11)
    assert corpus.missing[3] == 58
    assert corpus.missing[1] == 60


def test_a_doubled_clip_counts_once(folder: Path) -> None:
    shutil.copytree(folder, folder / "audio_speech_actors_01-24")
    corpus = open_corpus(folder)
    assert len(corpus.clips) == 4
    assert len(corpus.doubled) == 4


def test_a_zip_holds_what_its_folder_held(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.rglob("*.wav"):
            archive.write(file, file.relative_to(folder))
    zipped, plain = open_corpus(tmp_path / "set.zip"), open_corpus(folder)
    assert [clip.name for clip in zipped.clips] == [clip.name for clip in plain.clips]
    for one, other in zip(zipped.clips, plain.clips, strict=True):
        np.testing.assert_array_equal(one.read(16_000), other.read(16_000))


def test_other_sounds_are_passed_over_and_named(folder: Path) -> None:
    for name in ("notes.wav", "03-02-01-01-01-01-03.wav", "03-01-09-01-01-01-03.wav", "03-01-01-01-01-01-25.wav"):
        soundfile.write(folder / "Actor_03" / name, voice(0.1, np.random.default_rng(0)), 16_000)
    corpus = open_corpus(folder)
    assert len(corpus.clips) == 4
    assert len(corpus.foreign) == 4
    assert "Actor_03/notes.wav" in corpus.foreign


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_clips_of_any_rate_are_read_at_ours(tmp_path: Path, rate: int) -> None:
    (clip,) = open_corpus(write_corpus(tmp_path, (7,), (2,), rate)).clips
    samples = clip.read(16_000)
    seconds = soundfile.info(clip.path).duration
    assert len(samples) == pytest.approx(16_000 * seconds, abs=2)
    assert samples.dtype == np.float32


def test_stereo_is_mixed(tmp_path: Path) -> None:
    block = np.stack([np.full(1_000, 0.5), np.full(1_000, -0.3)], axis=1)
    soundfile.write(tmp_path / clip_name(1, 1), block, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(open_corpus(tmp_path).clips[0].read(16_000), 0.1, atol=1e-6)


@pytest.mark.parametrize(("content", "message"), [(b"", "is unreadable"), (b"noise" * 99, "is unreadable")])
def test_a_damaged_clip_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / clip_name(1, 1)).write_bytes(content)
    with pytest.raises(CorpusError, match=message) as caught:
        open_corpus(tmp_path).clips[0].read(16_000)
    assert clip_name(1, 1) in str(caught.value)


def test_a_clip_without_samples_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / clip_name(1, 1), np.empty(0), 16_000)
    with pytest.raises(CorpusError, match="is empty"):
        open_corpus(tmp_path).clips[0].read(16_000)


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds no RAVDESS speech clip .* stream-ser data download"):
        open_corpus(tmp_path)


def test_a_place_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no data set at .* stream-ser data download"):
        open_corpus(tmp_path / "nowhere")


def test_half_a_zip_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(CorpusError, match="neither a folder nor a whole zip"):
        open_corpus(tmp_path / "half.zip")


def test_the_environment_names_the_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STREAM_SER_DATA", str(tmp_path))
    assert default_place() == tmp_path
    monkeypatch.delenv("STREAM_SER_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CorpusError, match="give --data"):
        default_place()


def test_the_real_set_is_whole(ravdess: Path) -> None:
    corpus = open_corpus(ravdess)
    assert len(corpus.clips) == 1440
    assert corpus.missing == {}
    assert corpus.actors == tuple(range(1, 25))
