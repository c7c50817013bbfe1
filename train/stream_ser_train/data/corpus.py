"""Clips of one or several corpora: from folders, from a zip, or listed in a ``manifest.csv``."""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from platformdirs import user_cache_path

from stream_ser.audio.resample import resample
from stream_ser.errors import UserError
from stream_ser.events import EMOTIONS
from stream_ser_train.data.corpora import NAMINGS, emotion_called

MANIFEST = "manifest.csv"
ACTORS = 24
CLIPS_PER_ACTOR = 60
_COLUMNS = ("path", "emotion", "speaker")


class CorpusError(UserError):
    """A data set that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """One recording. ``name`` is its identity: two files of one name are the same clip, however often a copy holds it."""

    name: str
    emotion: int = field(compare=False)
    """Index into :data:`stream_ser.events.EMOTIONS`."""
    speaker: str = field(compare=False)
    """Corpus and speaker, for example ``ravdess 07``; equal for equal voices."""
    path: Path = field(compare=False)
    member: str = field(default="", compare=False)
    """Name within the zip at ``path``; empty for a plain file."""
    checksum: int = field(default=0, compare=False)
    """CRC-32 of the file: tells the published clips from a resampled copy, for example."""

    def read(self, sample_rate: int) -> NDArray[np.float32]:
        """Mono samples at ``sample_rate``.

        Raises:
            CorpusError: the file holds no readable sound.
        """
        try:
            if self.member:
                with zipfile.ZipFile(self.path) as archive:
                    data = io.BytesIO(archive.read(self.member))
                samples, rate = soundfile.read(data, dtype="float32", always_2d=True)
            else:
                samples, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, zipfile.BadZipFile, OSError) as error:
            raise CorpusError(f"{self.name} is unreadable: {error}; remove it or fetch the data set again") from error
        if len(samples) == 0:
            raise CorpusError(f"{self.name} is empty; remove it or fetch the data set again")
        return resample(samples.mean(axis=1), rate, sample_rate)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The clips of one or several data sets, each once, in order of name; and what was passed over."""

    clips: tuple[Clip, ...]
    doubled: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    """Sound files whose names no known corpus has."""
    words: tuple[tuple[str, str, int], ...] = ()
    """(corpus, its word for an emotion, files), for every word that occurred, also those that none of ours stands for."""

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(sorted({clip.speaker for clip in self.clips}))

    @property
    def missing(self) -> dict[int, int]:
        """RAVDESS clips that are absent, by actor, of the 60 that each of the 24 actors spoke; empty for other corpora."""
        held = Counter(clip.speaker for clip in self.clips)
        if not any(speaker.startswith("ravdess ") for speaker in held):
            return {}
        numbers = {actor: CLIPS_PER_ACTOR - held[f"ravdess {actor:02}"] for actor in range(1, ACTORS + 1)}
        return {actor: number for actor, number in numbers.items() if number > 0}

    def of_speakers(self, speakers: frozenset[str]) -> tuple[Clip, ...]:
        return tuple(clip for clip in self.clips if clip.speaker in speakers)


@dataclass(frozen=True, slots=True)
class _File:
    """A sound file with what its name or its manifest says."""

    name: str
    corpus: str
    word: str
    speaker: str
    path: Path
    checksum: int
    member: str = ""


def open_corpora(places: Sequence[Path]) -> Corpus:
    """Find the clips of several data sets.

    Raises:
        CorpusError: one of them cannot be used.
    """
    corpora = [open_corpus(place) for place in places]
    clips = {clip.name: clip for corpus in reversed(corpora) for clip in corpus.clips}
    repeated = [clip.name for corpus in corpora for clip in corpus.clips if clips[clip.name] is not clip]
    return Corpus(
        tuple(sorted(clips.values())),
        tuple(name for corpus in corpora for name in corpus.doubled) + tuple(repeated),
        tuple(name for corpus in corpora for name in corpus.foreign),
        tuple(word for corpus in corpora for word in corpus.words),
    )


def open_corpus(place: Path) -> Corpus:
    """Find the clips that a folder's ``manifest.csv`` lists, or else those under a folder, at any depth, or in a zip.

    Raises:
        CorpusError: there is no such place, it is no zip, its manifest is wrong, or it holds no clip.
    """
    if place.is_dir():
        manifest = place / MANIFEST
        return _gather(list(_listed(manifest)) if manifest.exists() else _named(place), place)
    if not place.is_file():
        raise CorpusError(f"no data set at {place}; fetch one with: stream-ser data download")
    return _gather(_zipped(place), place)


def _named(folder: Path) -> list[_File | str]:
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".wav")
    return [_recognise(file.relative_to(folder.parent).as_posix(), file, _checksum(file)) for file in found]


def _zipped(archive: Path) -> list[_File | str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = sorted((file.filename, file.CRC) for file in opened.infolist() if file.filename.lower().endswith(".wav"))
    except zipfile.BadZipFile as error:
        raise CorpusError(f"{archive} is neither a folder nor a whole zip; fetch it with: stream-ser data download") from error
    return [_recognise(member, archive, checksum, member) for member, checksum in members]


def _recognise(where: str, path: Path, checksum: int, member: str = "") -> _File | str:
    for naming in NAMINGS:
        said = naming.parse(where)
        if said is not None:
            speaker, word = said
            file = where.rsplit("/", 1)[-1]
            name = {"ravdess": file, "savee": f"savee {speaker} {file}"}.get(naming.corpus, f"{naming.corpus} {file}")
            return _File(name, naming.corpus, word, speaker, path, checksum, member)
    return where


def _listed(manifest: Path) -> Iterator[_File | str]:
    """The rows of a manifest.

    Raises:
        CorpusError: a column or a file is missing, or a cell is empty.
    """
    folder = manifest.parent.resolve()
    with manifest.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        lacking = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        if lacking:
            raise CorpusError(f"{manifest} has no column {', '.join(lacking)}; its first line must be: {','.join(_COLUMNS)}")
        for row in rows:
            here = f"{manifest}, line {rows.line_num}"
            empty = [column for column in _COLUMNS if not (row[column] or "").strip()]
            if empty:
                raise CorpusError(f"{here}: {', '.join(empty)} is empty; every clip needs {', '.join(_COLUMNS)}")
            path = folder / row["path"]
            if not path.is_file():
                raise CorpusError(f"{here}: there is no file {row['path']}; paths count from the manifest's folder")
            # Two corpora may have folders and files of one name; their places differ.
            name = f"{folder.name}-{zlib.crc32(str(folder).encode()):08x} {row['path']}"
            yield _File(name, folder.name, row["emotion"].strip(), row["speaker"].strip(), path, _checksum(path))


def _checksum(file: Path) -> int:
    try:
        return zlib.crc32(file.read_bytes())
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror}; check its permissions") from error


def _gather(found: Sequence[_File | str], place: Path) -> Corpus:
    clips: dict[str, Clip] = {}
    doubled: list[str] = []
    words: Counter[tuple[str, str]] = Counter()
    for file in found:
        if isinstance(file, str):
            continue
        if file.name in clips:
            doubled.append(file.member or str(file.path))
            continue
        words[file.corpus, file.word] += 1
        emotion = emotion_called(file.word)
        if emotion is not None:
            clips[file.name] = Clip(file.name, emotion, f"{file.corpus} {file.speaker}", file.path, file.member, file.checksum)
    if not clips:
        raise CorpusError(
            f"{place} holds no clip of a known name (RAVDESS 03-01-*.wav, EMO-DB, CREMA-D, TESS, SAVEE) and no {MANIFEST}"
            " that lists any; fetch RAVDESS with: stream-ser data download"
        )
    foreign = tuple(file for file in found if isinstance(file, str))
    return Corpus(tuple(sorted(clips.values())), tuple(doubled), foreign, tuple((c, w, n) for (c, w), n in words.items()))


def describe_words(corpus: Corpus) -> list[str]:
    """One line for each corpus: what becomes of its words for emotions."""
    lines = []
    for name in dict.fromkeys(name for name, _, _ in corpus.words):
        parts = []
        for word, files in ((word, files) for named, word, files in corpus.words if named == name):
            emotion = emotion_called(word)
            label = "not used" if emotion is None else EMOTIONS[emotion]
            parts.append(f"{word} ({files})" if label == word else f"{word} -> {label} ({files})")
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def default_place() -> Path:
    """Where a data set is looked for when no ``--data`` is given: ``STREAM_SER_DATA``, else the cache folder.

    Raises:
        CorpusError: neither holds one.
    """
    named = os.environ.get("STREAM_SER_DATA")
    if named:
        return Path(named)
    cached = cache_folder() / "Audio_Speech_Actors_01-24.zip"
    if cached.exists():
        return cached
    raise CorpusError("no data set: give --data, set STREAM_SER_DATA, or fetch it with: stream-ser data download")


def cache_folder() -> Path:
    """The user's cache folder for downloads and computed features."""
    return user_cache_path("stream-ser")
