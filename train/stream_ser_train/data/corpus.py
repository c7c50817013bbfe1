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
from stream_ser_train.data.corpora import NAMING_SCHEMES, emotion_index
from stream_ser_train.data.emotions import EMOTIONS

MANIFEST = "manifest.csv"
ACTORS = 24
CLIPS_PER_ACTOR = 60
_COLUMNS = ("path", "emotion", "speaker")


class CorpusError(UserError):
    """A data set that cannot be used; the message names the reason and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """One recording. ``name`` is its identity: two files of one name are the same clip, however often a copy holds it."""

    name: str
    emotion: int = field(compare=False)
    """Index into :data:`stream_ser_train.data.emotions.EMOTIONS`."""
    speaker: str = field(compare=False)
    """Corpus and speaker, for example ``ravdess 07``; equal for equal voices."""
    path: Path = field(compare=False)
    member: str = field(default="", compare=False)
    """Name within the zip at ``path``; empty for a plain file."""
    checksum: int = field(default=0, compare=False)
    """CRC-32 of the file: the published clips differ in it from a resampled copy, for example."""

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


def describe_clips(clips: Sequence[Clip]) -> str:
    """Everything of clips that a result depends on: which they are, what they hold, and what is felt in them."""
    return " ".join(f"{clip.name} {clip.checksum} {clip.emotion}" for clip in clips)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The clips of one or several data sets, each once, in order of name; and what was skipped."""

    clips: tuple[Clip, ...]
    duplicates: tuple[str, ...] = ()
    unrecognized: tuple[str, ...] = ()
    """Sound files whose names no known corpus has."""
    labels: tuple[tuple[str, str, int], ...] = ()
    """(corpus, its label, files), for every label that occurred, also those that are none of our emotions."""

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(sorted({clip.speaker for clip in self.clips}))

    @property
    def missing(self) -> dict[int, int]:
        """RAVDESS clips that are absent, by actor, of the 60 that each of the 24 actors spoke; empty for other corpora."""
        present = Counter(clip.speaker for clip in self.clips)
        if not any(speaker.startswith("ravdess ") for speaker in present):
            return {}
        numbers = {actor: CLIPS_PER_ACTOR - present[f"ravdess {actor:02}"] for actor in range(1, ACTORS + 1)}
        return {actor: number for actor, number in numbers.items() if number > 0}

    def of_speakers(self, speakers: frozenset[str]) -> tuple[Clip, ...]:
        return tuple(clip for clip in self.clips if clip.speaker in speakers)


@dataclass(frozen=True, slots=True)
class _File:
    """A sound file, and what its name or its manifest tells about it."""

    name: str
    corpus: str
    label: str
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
        tuple(name for corpus in corpora for name in corpus.duplicates) + tuple(repeated),
        tuple(name for corpus in corpora for name in corpus.unrecognized),
        tuple(label for corpus in corpora for label in corpus.labels),
    )


def open_corpus(place: Path) -> Corpus:
    """Find the clips that a folder's ``manifest.csv`` lists, or else those under a folder, at any depth, or in a zip.

    Raises:
        CorpusError: there is no such place, it is no zip, its manifest is wrong, or it holds no clip.
    """
    if place.is_dir():
        manifest = place / MANIFEST
        return _collect(list(_from_manifest(manifest)) if manifest.exists() else _from_folder(place), place)
    if not place.is_file():
        raise CorpusError(f"no data set at {place}; fetch one with: stream-ser data download")
    return _collect(_from_zip(place), place)


def _from_folder(folder: Path) -> list[_File | str]:
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".wav")
    return [_parse(file.relative_to(folder.parent).as_posix(), file, _checksum(file)) for file in found]


def _from_zip(archive: Path) -> list[_File | str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = sorted((file.filename, file.CRC) for file in opened.infolist() if file.filename.lower().endswith(".wav"))
    except zipfile.BadZipFile as error:
        raise CorpusError(f"{archive} is neither a folder nor a valid zip; fetch it with: stream-ser data download") from error
    return [_parse(member, archive, checksum, member) for member, checksum in members]


def _parse(relative: str, path: Path, checksum: int, member: str = "") -> _File | str:
    """The file as its name describes it, or ``relative`` if no corpus has such a name."""
    for scheme in NAMING_SCHEMES:
        parsed = scheme.parse(relative)
        if parsed is not None:
            speaker, label = parsed
            file = relative.rsplit("/", 1)[-1]
            name = {"ravdess": file, "savee": f"savee {speaker} {file}"}.get(scheme.corpus, f"{scheme.corpus} {file}")
            return _File(name, scheme.corpus, label, speaker, path, checksum, member)
    return relative


def _from_manifest(manifest: Path) -> Iterator[_File | str]:
    """The rows of a manifest.

    Raises:
        CorpusError: a column or a file is missing, or a cell is empty.
    """
    folder = manifest.parent.resolve()
    with manifest.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        absent = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        if absent:
            raise CorpusError(f"{manifest} has no column {', '.join(absent)}; its first line must be: {','.join(_COLUMNS)}")
        for row in rows:
            line = f"{manifest}, line {rows.line_num}"
            empty = [column for column in _COLUMNS if not (row[column] or "").strip()]
            if empty:
                raise CorpusError(f"{line}: {', '.join(empty)} is empty; every clip needs {', '.join(_COLUMNS)}")
            path = folder / row["path"]
            if not path.is_file():
                raise CorpusError(f"{line}: there is no file {row['path']}; paths count from the manifest's folder")
            # Two corpora may have folders and files of one name; their places differ.
            name = f"{folder.name}-{zlib.crc32(str(folder).encode()):08x} {row['path']}"
            yield _File(name, folder.name, row["emotion"].strip(), row["speaker"].strip(), path, _checksum(path))


def _checksum(file: Path) -> int:
    try:
        return zlib.crc32(file.read_bytes())
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror}; check its permissions") from error


def _collect(files: Sequence[_File | str], place: Path) -> Corpus:
    clips: dict[str, Clip] = {}
    duplicates: list[str] = []
    labels: Counter[tuple[str, str]] = Counter()
    for file in files:
        if isinstance(file, str):
            continue
        if file.name in clips:
            duplicates.append(file.member or str(file.path))
            continue
        labels[file.corpus, file.label] += 1
        emotion = emotion_index(file.label)
        if emotion is not None:
            clips[file.name] = Clip(file.name, emotion, f"{file.corpus} {file.speaker}", file.path, file.member, file.checksum)
    if not clips:
        raise CorpusError(
            f"{place} holds no clip of a known name (RAVDESS 03-01-*.wav, EMO-DB, CREMA-D, TESS, SAVEE) and no {MANIFEST}"
            " that lists any; fetch RAVDESS with: stream-ser data download"
        )
    unrecognized = tuple(file for file in files if isinstance(file, str))
    counted = tuple((corpus, label, count) for (corpus, label), count in labels.items())
    return Corpus(tuple(sorted(clips.values())), tuple(duplicates), unrecognized, counted)


def describe_labels(corpus: Corpus) -> list[str]:
    """One line for each corpus: which of our emotions each of its labels is."""
    lines = []
    for name in dict.fromkeys(name for name, _, _ in corpus.labels):
        parts = []
        for label, files in ((label, files) for owner, label, files in corpus.labels if owner == name):
            index = emotion_index(label)
            emotion = "not used" if index is None else EMOTIONS[index]
            parts.append(f"{label} ({files})" if emotion == label else f"{label} -> {emotion} ({files})")
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def default_data_path() -> Path:
    """Where the data set is when no ``--data`` is given: ``STREAM_SER_DATA``, else the cache folder.

    Raises:
        CorpusError: neither holds one.
    """
    configured = os.environ.get("STREAM_SER_DATA")
    if configured:
        return Path(configured)
    cached = cache_folder() / "Audio_Speech_Actors_01-24.zip"
    if cached.exists():
        return cached
    raise CorpusError("no data set: give --data, set STREAM_SER_DATA, or fetch it with: stream-ser data download")


def cache_folder() -> Path:
    """The user's cache folder for downloads and computed features."""
    return user_cache_path("stream-ser")
