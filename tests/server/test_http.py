"""Plain HTTP and refused handshakes, over real sockets."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from serving import GREETING, CountingObserver, http_get, receive, serving, wait_for_clients
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from stream_ser import protocol
from stream_ser.server.auth import BEARER_SUBPROTOCOL_PREFIX, Access
from stream_ser.server.http import Page, json_page

pytestmark = pytest.mark.unit

TOKEN = "a-token-of-some-length"


async def test_plain_http_gets_the_page_or_the_paths_there_are() -> None:
    pages = {"/healthz": lambda: json_page({}, HTTPStatus.SERVICE_UNAVAILABLE)}
    async with serving(pages) as (_, address):
        status, head, body = await http_get(address, "/healthz?now")
        assert (status, body) == (503, b"{}\n")
        assert "Content-Type: application/json" in head
        status, _, body = await http_get(address, "/etc/passwd")
        assert status == 404
        assert b"/healthz, /stream-ser.js, /, /v1/live, /v1/stream" in body


async def test_a_connection_to_another_path_is_refused() -> None:
    observer = CountingObserver()
    async with serving(observer=observer) as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{address}v2/live")
        assert refused.value.response.status_code == 404
        assert observer.counts["refused path"] == 1
        async with connect(f"{address}v1/live?x=1") as client:
            assert await receive(client) == GREETING


@pytest.mark.parametrize("carrier", ["bearer", "subprotocol"])
async def test_a_client_with_the_token_is_served(carrier: str) -> None:
    async with serving(access=Access(TOKEN)) as (_, address):
        ours = Subprotocol(protocol.VERSION)
        if carrier == "bearer":
            connecting = connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, subprotocols=[ours])
        else:
            connecting = connect(address, subprotocols=[ours, Subprotocol(BEARER_SUBPROTOCOL_PREFIX + TOKEN)])
        async with connecting as client:
            assert client.subprotocol == ours, "the token is not sent back"
            assert await receive(client) == GREETING


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_without_the_token_everything_but_the_script_is_refused_and_no_log_contains_it(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    pages, observer = {"/metrics": lambda: Page(b"secret", "text/plain")}, CountingObserver()
    async with serving(pages, Access(TOKEN), observer=observer) as (server, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers=headers)
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"
        lines = [f"{name}: {value}" for name, value in headers.items()]
        status, _, body = await http_get(address, "/metrics", *lines)
        assert status == 401
        assert b"secret" not in body
        assert observer.counts["refused token"] == 2
        status, head, body = await http_get(address, "/stream-ser.js", *lines)
        assert status == 200
        assert "Access-Control-Allow-Origin: *" in head
        assert b"export class StreamSer" in body
        assert server.clients == 0
    assert TOKEN not in caplog.text


async def test_only_pages_of_this_machine_may_connect() -> None:
    async with serving() as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, origin=Origin("https://example.org"))
        assert refused.value.response.status_code == 403
        async with connect(address, origin=Origin("http://localhost:3000")) as client:
            assert await receive(client) == GREETING


async def test_a_page_of_an_allowed_origin_may_connect() -> None:
    async with serving(access=Access(origins=("https://example.org",))) as (_, address):
        async with connect(address, origin=Origin("https://example.org")) as client:
            assert await receive(client) == GREETING
        for other in ("https://example.org.evil.net", "http://example.org", "null"):
            with pytest.raises(InvalidStatus):
                await connect(address, origin=Origin(other))


@pytest.mark.parametrize(
    ("limit", "status", "reason"), [("MAX_CONNECTIONS", 503, "full"), ("MAX_CONNECTIONS_PER_ADDRESS", 429, "address")]
)
async def test_more_clients_than_allowed_are_refused(
    monkeypatch: pytest.MonkeyPatch, limit: str, status: int, reason: str
) -> None:
    monkeypatch.setattr(f"stream_ser.server.limits.{limit}", 2)
    monkeypatch.setattr("stream_ser.server.limits.is_loopback", lambda host: False)
    observer = CountingObserver()
    async with serving(observer=observer) as (server, address):
        async with connect(address) as one, connect(address):
            await wait_for_clients(server, 2)
            with pytest.raises(InvalidStatus) as refused:
                await connect(address)
            assert refused.value.response.status_code == status
            assert observer.counts[f"refused {reason}"] == 1
            await receive(one)
        await wait_for_clients(server, 0)
        async with connect(address) as later:
            assert await receive(later) == GREETING
