from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import voice
from speech_corpus import clip_name, write_corpus
from stream_ser_train.data.corpus import CorpusError, default_data_path, describe_labels, open_corpora, open_corpus
from stream_ser_train.data.emotions import EMOTIONS

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "data", actors=(3, 11), emotions=(1, 5))


def test_the_name_of_a_clip_gives_speaker_and_emotion(folder: Path) -> None:
    corpus = open_corpus(folder)
    assert [(clip.speaker, EMOTIONS[clip.emotion]) for clip in corpus.clips] == [
        ("ravdess 03", "neutral"), ("ravdess 11", "neutral"), ("ravdess 03", "angry"), ("ravdess 11", "angry"),
    ]  # fmt: skip
    assert corpus.speakers == ("ravdess 03", "ravdess 11")
    assert corpus.missing[3] == 58
    assert corpus.missing[1] == 60


def test_a_doubled_clip_counts_once(folder: Path) -> None:
    shutil.copytree(folder, folder / "audio_speech_actors_01-24")
    corpus = open_corpus(folder)
    assert len(corpus.clips) == 4
    assert len(corpus.duplicates) == 4


def test_a_zip_holds_what_its_folder_held(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.rglob("*.wav"):
            archive.write(file, file.relative_to(folder))
    zipped, plain = open_corpus(tmp_path / "set.zip"), open_corpus(folder)
    assert [clip.name for clip in zipped.clips] == [clip.name for clip in plain.clips]
    for one, other in zip(zipped.clips, plain.clips, strict=True):
        np.testing.assert_array_equal(one.read(16_000), other.read(16_000))


def test_other_sounds_are_skipped_and_named(folder: Path) -> None:
    for name in ("notes.wav", "03-02-01-01-01-01-03.wav", "03-01-09-01-01-01-03.wav", "03-01-01-01-01-01-25.wav"):
        soundfile.write(folder / "Actor_03" / name, voice(0.1, np.random.default_rng(0)), 16_000)
    corpus = open_corpus(folder)
    assert len(corpus.clips) == 4
    assert len(corpus.unrecognized) == 4
    assert "data/Actor_03/notes.wav" in corpus.unrecognized


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_clips_of_any_rate_are_resampled(tmp_path: Path, rate: int) -> None:
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


def test_an_empty_folder_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds no clip of a known name .* stream-ser data download"):
        open_corpus(tmp_path)


def test_a_missing_place_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no data set at .* stream-ser data download"):
        open_corpus(tmp_path / "nowhere")


def test_a_truncated_zip_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(CorpusError, match="neither a folder nor a valid zip"):
        open_corpus(tmp_path / "half.zip")


PUBLISHED: dict[str, dict[str, tuple[str, str] | None]] = {
    "emo-db": {"wav/03a01Fa.wav": ("emo-db 03", "happy"), "wav/16b10Wb.wav": ("emo-db 16", "angry"), "wav/08a07La.wav": None},
    "crema-d": {"1001_DFA_ANG_XX.wav": ("crema-d 1001", "angry"), "1091_WSI_FEA_HI.wav": ("crema-d 1091", "fearful")},
    "tess": {
        "OAF_Sad/OAF_back_sad.wav": ("tess OA", "sad"),
        "YAF_ps/YAF_youth_ps.wav": ("tess YA", "surprised"),
        "OAF_neutral/OA_bite_neutral.wav": ("tess OA", "neutral"),
    },
    "savee": {"AudioData/DC/sa01.wav": ("savee DC", "sad"), "ALL/KL_su15.wav": ("savee KL", "surprised")},
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_corpora_are_recognised_by_their_file_names(name: str, tmp_path: Path) -> None:
    for file in PUBLISHED[name]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / file, voice(0.2, np.random.default_rng(0)), 16_000)
    corpus = open_corpus(tmp_path)
    expected = [parsed for parsed in PUBLISHED[name].values() if parsed is not None]
    assert sorted((clip.speaker, EMOTIONS[clip.emotion]) for clip in corpus.clips) == sorted(expected)
    assert corpus.unrecognized == ()
    assert corpus.missing == {}


def test_the_mapping_of_each_label_is_described(tmp_path: Path) -> None:
    for file in PUBLISHED["emo-db"]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / file, voice(0.2, np.random.default_rng(0)), 16_000)
    assert describe_labels(open_corpus(tmp_path)) == [
        "emo-db: happiness -> happy (1), boredom -> not used (1), anger -> angry (1)"
    ]


def listed(folder: Path, *rows: str, header: str = "path,emotion,speaker") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, voice(0.2, np.random.default_rng(0)), 16_000)
    (folder / "manifest.csv").write_text("\n".join((header, *rows)) + "\n")
    return folder


def test_a_manifest_lists_a_corpus(tmp_path: Path) -> None:
    corpus = open_corpus(listed(tmp_path / "calls", "a.wav,Anger,anna", "b.wav,pride,ben"))
    (clip,) = corpus.clips
    assert (clip.speaker, EMOTIONS[clip.emotion]) == ("calls anna", "angry")
    assert describe_labels(corpus) == ["calls: Anger -> angry (1), pride -> not used (1)"]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a.wav,angry"], "path,emotion", r"manifest.csv has no column speaker; its first line must be: path,emotion,speaker"),
        (["a.wav,angry,x", "c.wav,angry,x"], "path,emotion,speaker", r"manifest.csv, line 3: there is no file c.wav"),
        (["a.wav,angry, "], "path,emotion,speaker", r"manifest.csv, line 2: speaker is empty"),
        (["a.wav,pride,x"], "path,emotion,speaker", "holds no clip of a known name"),
    ],
)
def test_a_wrong_manifest_is_named_by_line(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        open_corpus(listed(tmp_path / "calls", *rows, header=header))


def test_several_corpora_are_one(folder: Path, tmp_path: Path) -> None:
    first, second = (listed(tmp_path / place / "calls", "a.wav,angry,x") for place in (tmp_path / "1", tmp_path / "2"))
    corpus = open_corpora([folder, first, second, folder])
    assert len(corpus.clips) == 6, "two corpora of one name are two"
    assert len(corpus.duplicates) == 4
    assert len(describe_labels(corpus)) == 2


def test_the_environment_names_the_data_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STREAM_SER_DATA", str(tmp_path))
    assert default_data_path() == tmp_path
    monkeypatch.delenv("STREAM_SER_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CorpusError, match="give --data"):
        default_data_path()


def test_the_real_set_is_complete(ravdess: Path) -> None:
    corpus = open_corpus(ravdess)
    assert len(corpus.clips) == 1440
    assert corpus.missing == {}
    assert corpus.speakers == tuple(f"ravdess {actor:02}" for actor in range(1, 25))
