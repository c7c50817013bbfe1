"""Download the published RAVDESS speech zip into the cache folder: resumed where it broke off, and verified."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests

from stream_ser.errors import UserError
from stream_ser_train.data.corpus import cache_folder
from stream_ser_train.progress import Step

URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
SIZE = 208_468_073
MD5 = "bc696df654c87fed845eb13823edef8a"

_BLOCK = 1 << 18


class DownloadError(UserError):
    """The zip could not be downloaded, or is not the published one."""


def download(progress: Step, url: str = URL, size: int = SIZE, md5: str = MD5) -> Path:
    """Download the zip into the cache folder unless it is there; return its path. ``progress`` counts bytes.

    Raises:
        DownloadError: the network failed, or what came is not what was published.
    """
    file = cache_folder() / url.rsplit("/", 1)[-1]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, file.with_suffix(".part"), size, progress)
        _verify(file.with_suffix(".part"), md5)
        file.with_suffix(".part").replace(file)
    return file


def _fetch(url: str, partial: Path, size: int, progress: Step) -> None:
    """Append to ``partial`` the bytes that it does not have yet."""
    existing = partial.stat().st_size if partial.exists() else 0
    if existing > size:
        partial.unlink()
        existing = 0
    if existing == size:
        return
    try:
        with requests.get(
            url, headers={"Range": f"bytes={existing}-"} if existing else {}, stream=True, timeout=30
        ) as response:
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            with partial.open("ab" if resumed else "wb") as file:
                for block in response.iter_content(_BLOCK):
                    file.write(block)
                    progress(file.tell(), size)
    except requests.RequestException as error:
        raise DownloadError(f"cannot fetch {url}: {error}; run the command again to go on from {partial}") from error


def _verify(partial: Path, md5: str) -> None:
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        partial.unlink()
        raise DownloadError(f"what came has MD5 {found}, published was {md5}; it was removed, run the command again")
