"""Answers to plain HTTP on the daemon's port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

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


MODULE = "/stream-ser.js"
"""A module for pages and Node. Anyone may load it: it says nothing of anybody."""

Pages = Mapping[str, Callable[[], Page]]
"""By path."""


def module_page() -> Page:
    """The module."""
    return Page((Path(__file__).parent / "static/stream-ser.js").read_bytes(), "text/javascript; charset=utf-8")


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
            *([("Access-Control-Allow-Origin", "*")] if page.content_type.startswith("text/javascript") else []),
            *more,
        ]
    )
    return Response(page.status, page.status.phrase, headers, page.body)
