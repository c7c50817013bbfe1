"""Answers to plain HTTP on the daemon's port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Response

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[], Page]]
"""By path."""


def json_page(content: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of JSON."""
    return Page(msgspec.json.encode(content) + b"\n", JSON, status)


def text_page(text: str, status: HTTPStatus) -> Page:
    """A page of one line."""
    return Page(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


def response(page: Page, *more: tuple[str, str]) -> Response:
    """What goes over the wire, with ``more`` headers."""
    headers = Headers(
        [
            ("Content-Type", page.content_type),
            ("Content-Length", str(len(page.body))),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *more,
        ]
    )
    return Response(page.status, page.status.phrase, headers, page.body)
