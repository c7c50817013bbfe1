from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from certificates import write_certificate
from websockets.datastructures import Headers

from stream_ser.server.auth import BEARER_SUBPROTOCOL_PREFIX, AccessError, is_authorized, is_loopback, read_token, tls

pytestmark = pytest.mark.unit

TOKEN = "abcdefghijklmnop-0123"


def _file(folder: Path, content: str, mode: int = 0o600) -> Path:
    file = folder / "token"
    file.write_text(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("example", False)],
)
def test_loopback_is_known(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_the_token_is_what_the_file_holds(tmp_path: Path) -> None:
    assert read_token(_file(tmp_path, f"{TOKEN}\n"), "0.0.0.0") == TOKEN
    assert read_token(None, "127.0.0.1") is None


def test_another_address_needs_a_token() -> None:
    with pytest.raises(AccessError, match=r"serving on 0\.0\.0\.0 would let anyone .* --token-file FILE, or --host 127"):
        read_token(None, "0.0.0.0")


@pytest.mark.parametrize("content", ["", "short", "with spaces in it, long enough", "ümlauts-are-no-tokens"])
def test_a_token_that_is_unusable_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    with pytest.raises(AccessError, match="must have at least 16 letters") as caught:
        read_token(_file(tmp_path, content), "127.0.0.1")
    assert not content or content not in str(caught.value)


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="chmod 600"):
        read_token(_file(tmp_path, TOKEN, 0o640), "127.0.0.1")


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"cannot read the token in .*nowhere: No such file"):
        read_token(tmp_path / "nowhere", "127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "authorized"),
    [
        ({}, False),
        ({"Authorization": f"Bearer {TOKEN}"}, True),
        ({"Authorization": f"bearer {TOKEN}"}, True),
        ({"Authorization": f"Basic {TOKEN}"}, False),
        ({"Authorization": f"Bearer {TOKEN}x"}, False),
        ({"Authorization": "Bearer"}, False),
        ({"Sec-WebSocket-Protocol": f"stream-ser.v1, {BEARER_SUBPROTOCOL_PREFIX}{TOKEN}"}, True),
        ({"Sec-WebSocket-Protocol": f"{BEARER_SUBPROTOCOL_PREFIX}wrong"}, False),
        ({"Sec-WebSocket-Protocol": TOKEN}, False),
        ({"Authorization": "Bearer wrong", "Sec-WebSocket-Protocol": f"{BEARER_SUBPROTOCOL_PREFIX}{TOKEN}"}, True),
    ],
)
def test_a_request_carries_the_token_or_not(headers: dict[str, str], authorized: bool) -> None:
    assert is_authorized(Headers(headers), TOKEN) is authorized


def test_tls_needs_a_certificate_and_its_key(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path / "one")
    _, other_key = write_certificate(tmp_path / "other")
    assert tls(None, None) is None
    context = tls(certificate, key)
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    for one, other in ((certificate, None), (None, key)):
        with pytest.raises(AccessError, match="needs both --tls-cert and --tls-key"):
            tls(one, other)
    for pair in ((certificate, other_key), (certificate, tmp_path / "nowhere"), (key, key)):
        with pytest.raises(AccessError, match="cannot serve TLS with "):
            tls(*pair)
