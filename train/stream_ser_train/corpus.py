"""Clips of the RAVDESS speech set, from a folder or from the published zip.

A file name carries seven numbers, ``modality-channel-emotion-intensity-statement-repetition-actor.wav`` (Livingstone and
Russo 2018, doi:10.1371/journal.pone.0196391). The set licence is CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from platformdirs import user_cache_path

from stream_ser.audio.resample import resample
from stream_ser.errors import UserError

ACTORS = 24
CLIPS_PER_ACTOR = 60

_NAME = re.compile(r"03-01-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])\.wav", re.IGNORECASE)


class CorpusError(UserError):
    """A data set that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """One recording. ``name`` is its identity: two files of one name are the same clip, however often a copy holds it."""

    name: str
    path: Path
    member: str = field(default="", compare=False)
    """Name within the zip at ``path``; empty for a plain file."""

    @property
    def emotion(self) -> int:
        """Index into :data:`stream_ser.events.EMOTIONS`."""
        return int(self.name[6:8]) - 1

    @property
    def actor(self) -> int:
        return int(self.name[18:20])

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
    """The clips of a data set, each once, in order of name; and the names of what was passed over."""

    clips: tuple[Clip, ...]
    doubled: tuple[str, ...]
    foreign: tuple[str, ...]
    """Sound files whose names are not RAVDESS speech names."""

    @property
    def actors(self) -> tuple[int, ...]:
        return tuple(sorted({clip.actor for clip in self.clips}))

    @property
    def missing(self) -> dict[int, int]:
        """Clips that are absent, by actor, of the 60 that each of the 24 actors spoke."""
        held = Counter(clip.actor for clip in self.clips)
        return {a: CLIPS_PER_ACTOR - held[a] for a in range(1, ACTORS + 1) if held[a] < CLIPS_PER_ACTOR}

    def of_actors(self, actors: frozenset[int]) -> tuple[Clip, ...]:
        return tuple(clip for clip in self.clips if clip.actor in actors)


def open_corpus(path: Path) -> Corpus:
    """Find the clips under a folder, at any depth, or in a zip.

    Raises:
        CorpusError: there is no such place, it is no zip, or it holds no clip.
    """
    if path.is_dir():
        found = [(file.name, file, "") for file in sorted(path.rglob("*")) if file.suffix.lower() == ".wav"]
    elif path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                members = sorted(name for name in archive.namelist() if name.lower().endswith(".wav"))
        except zipfile.BadZipFile as error:
            raise CorpusError(f"{path} is neither a folder nor a whole zip; fetch it with: stream-ser data download") from error
        found = [(member.rsplit("/", 1)[-1], path, member) for member in members]
    else:
        raise CorpusError(f"no data set at {path}; fetch it with: stream-ser data download")
    clips: dict[str, Clip] = {}
    doubled: list[str] = []
    foreign: list[str] = []
    for name, file, member in found:
        if _NAME.fullmatch(name) is None:
            foreign.append(member or str(file.relative_to(path)))
        elif name in clips:
            doubled.append(member or str(file.relative_to(path)))
        else:
            clips[name] = Clip(name, file, member)
    if not clips:
        raise CorpusError(f"{path} holds no RAVDESS speech clip (03-01-*.wav); fetch the set with: stream-ser data download")
    return Corpus(tuple(sorted(clips.values())), tuple(doubled), tuple(foreign))


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
