"""A real HTTP server that knows ranges, and breaks off when told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from stream_ser_train.data.download import DownloadError, download

pytestmark = pytest.mark.unit

CONTENT = np.random.default_rng(0).bytes(1_500_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Published(ThreadingHTTPServer):
    """Serves CONTENT; ``most`` is how many bytes an answer carries before it breaks off."""

    most = len(CONTENT)
    knows_ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    server: Published

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.server.most])

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
    return download(Console(quiet=True), server.url, len(CONTENT), md5)


def test_what_was_published_arrives_and_is_kept(published: Published) -> None:
    file = fetch(published)
    assert file.read_bytes() == CONTENT
    assert fetch(published) == file
    assert published.requests == [None]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_off_download_goes_on(published: Published, knows_ranges: bool) -> None:
    published.most, published.knows_ranges = 600_000, knows_ranges
    with pytest.raises(DownloadError, match="run the command again"):
        fetch(published)
    published.most = len(CONTENT)
    assert fetch(published).read_bytes() == CONTENT
    assert published.requests[0] is None
    assert published.requests[1] is not None
    assert published.requests[1] != "bytes=0-"


def test_something_else_than_was_published_is_thrown_away(published: Published) -> None:
    with pytest.raises(DownloadError, match="MD5"):
        fetch(published, md5="0" * 32)
    assert fetch(published).read_bytes() == CONTENT


@pytest.mark.usefixtures("published")
def test_no_network_is_one_line() -> None:
    with pytest.raises(DownloadError, match="cannot fetch"):
        download(Console(quiet=True), "http://127.0.0.1:9/set.zip", len(CONTENT), MD5)
