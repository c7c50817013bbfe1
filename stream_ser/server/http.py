"""Plain HTTP on the server's port: pages, and handshakes that are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from stream_ser.server.auth import is_authorized
from stream_ser.server.limits import Connections
from stream_ser.server.observer import ServerObserver

LIVE_PATHS = ("/", "/v1/live")
"""WebSocket paths of the daemon's own source."""

UPLOAD_PATH = "/v1/stream"
"""WebSocket path of clients that send their own audio."""

SCRIPT_PATH = "/stream-ser.js"
"""A module for pages and Node. It needs no token: it contains nothing private."""


@dataclass(frozen=True, slots=True)
class Page:
    """One HTTP answer."""

    body: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[], Page]]
"""What makes each page, by path."""


def json_page(content: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of JSON; ``content`` is what msgspec can encode."""
    return Page(msgspec.json.encode(content) + b"\n", "application/json", status)


def text_page(text: str, status: HTTPStatus) -> Page:
    """A page of one line."""
    return Page(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


def _script_page() -> Page:
    return Page((Path(__file__).parent / "static/stream-ser.js").read_bytes(), "text/javascript; charset=utf-8")


class RequestHandler:
    """Answers every HTTP request that does not become a WebSocket connection.

    Args:
        pages: what can be read, by path.
        token: what every request must carry, but that for the script; None for none.
        connections: the connections open now.
        observer: counts refusals.
    """

    def __init__(self, pages: Pages, token: str | None, connections: Connections, observer: ServerObserver) -> None:
        self._pages = {**pages, SCRIPT_PATH: _script_page}
        self._token, self._connections, self._observer = token, connections, observer

    def answer(self, request: Request, address: str) -> Response | None:
        """The page or the refusal for a request from ``address``; None where a WebSocket handshake may go on."""
        path = urlsplit(request.path).path
        if self._token is not None and path != SCRIPT_PATH and not is_authorized(request.headers, self._token):
            message = "a token is needed: Authorization: Bearer ..."
            return self._refuse("token", HTTPStatus.UNAUTHORIZED, message, ("WWW-Authenticate", "Bearer"))
        if path == SCRIPT_PATH or "upgrade" not in request.headers.get("Connection", "").lower():
            return _response(self._page(path))
        if path not in (*LIVE_PATHS, UPLOAD_PATH):
            return self._refuse("path", HTTPStatus.NOT_FOUND, f"connect to {LIVE_PATHS[-1]} or {UPLOAD_PATH}")
        if self._connections.is_full:
            return self._refuse("full", HTTPStatus.SERVICE_UNAVAILABLE, "too many clients")
        if self._connections.is_full_for(address):
            return self._refuse("address", HTTPStatus.TOO_MANY_REQUESTS, "too many clients of this address")
        return None

    def _page(self, path: str) -> Page:
        if path in self._pages:
            return self._pages[path]()
        known = ", ".join([*self._pages, *LIVE_PATHS, UPLOAD_PATH])
        return text_page(f"there is nothing here; there are {known}", HTTPStatus.NOT_FOUND)

    def _refuse(self, reason: str, status: HTTPStatus, message: str, *headers: tuple[str, str]) -> Response:
        self._observer.connection_refused(reason)
        return _response(text_page(message, status), *headers)


def _response(page: Page, *headers: tuple[str, str]) -> Response:
    is_script = page.content_type.startswith("text/javascript")
    all_headers = Headers(
        [
            ("Content-Type", page.content_type),
            ("Content-Length", str(len(page.body))),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *([("Access-Control-Allow-Origin", "*")] if is_script else []),
            *headers,
        ]
    )
    return Response(page.status, page.status.phrase, all_headers, page.body)
