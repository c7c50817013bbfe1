"""A real HTTP server that supports ranges, and can break off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from stream_ser_train.data.download import DownloadError, download
from stream_ser_train.progress import silent

pytestmark = pytest.mark.unit

CONTENT = np.random.default_rng(0).bytes(1_500_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Published(ThreadingHTTPServer):
    """Serves CONTENT; ``limit`` is the number of bytes in a response before it breaks off."""

    limit = len(CONTENT)
    supports_ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    server: Published

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.server.requests.append(requested)
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and self.server.supports_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.server.limit])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server = Published()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server: Published, md5: str = MD5) -> Path:
    return download(silent, server.url, len(CONTENT), md5)


def test_the_published_file_is_downloaded_once(published: Published) -> None:
    file = fetch(published)
    assert file.read_bytes() == CONTENT
    assert fetch(published) == file
    assert published.requests == [None]


@pytest.mark.parametrize("supports_ranges", [True, False])
def test_an_interrupted_download_resumes(published: Published, supports_ranges: bool) -> None:
    published.limit, published.supports_ranges = 600_000, supports_ranges
    with pytest.raises(DownloadError, match="run the command again"):
        fetch(published)
    published.limit = len(CONTENT)
    assert fetch(published).read_bytes() == CONTENT
    assert published.requests[0] is None
    assert published.requests[1] is not None
    assert published.requests[1] != "bytes=0-"


def test_a_file_that_is_not_the_published_one_is_removed(published: Published) -> None:
    with pytest.raises(DownloadError, match="MD5"):
        fetch(published, md5="0" * 32)
    assert fetch(published).read_bytes() == CONTENT


@pytest.mark.usefixtures("published")
def test_no_network_is_one_line() -> None:
    with pytest.raises(DownloadError, match="cannot fetch"):
        download(silent, "http://127.0.0.1:9/set.zip", len(CONTENT), MD5)
