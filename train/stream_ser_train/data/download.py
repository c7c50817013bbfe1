"""The published RAVDESS speech zip: fetched with resume, checked, kept in the cache folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from rich.console import Console

from stream_ser.errors import UserError
from stream_ser_train.data.corpus import cache_folder
from stream_ser_train.report.progress import Step, bar

URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
SIZE = 208_468_073
MD5 = "bc696df654c87fed845eb13823edef8a"

_BLOCK = 1 << 18


class DownloadError(UserError):
    """The zip could not be fetched whole."""


def download(console: Console, url: str = URL, size: int = SIZE, md5: str = MD5) -> Path:
    """Fetch the zip into the cache folder unless it is there, whole; return its path.

    Raises:
        DownloadError: the network failed, or what came is not what was published.
    """
    file = cache_folder() / url.rsplit("/", 1)[-1]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with bar(console, f"fetching {size / 1e6:.0f} MB") as step:
            _fetch(url, file.with_suffix(".part"), size, step)
        _check(file.with_suffix(".part"), md5)
        file.with_suffix(".part").replace(file)
    return file


def _fetch(url: str, partial: Path, size: int, step: Step) -> None:
    """Append to ``partial`` what it lacks."""
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    if have == size:
        return
    try:
        with requests.get(url, headers={"Range": f"bytes={have}-"} if have else {}, stream=True, timeout=30) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            with partial.open("ab" if resumed else "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
                    step(file.tell(), size)
    except requests.RequestException as error:
        raise DownloadError(f"cannot fetch {url}: {error}; run the command again to go on from {partial}") from error


def _check(partial: Path, md5: str) -> None:
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        partial.unlink()
        raise DownloadError(f"what came has MD5 {found}, published was {md5}; it was removed, run the command again")
