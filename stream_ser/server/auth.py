"""Who may connect: tokens, origins, TLS."""

from __future__ import annotations

import hmac
import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from websockets.datastructures import Headers

from stream_ser.errors import UserError

MIN_TOKEN_CHARS = 16
"""Shorter ones can be guessed."""

BEARER_SUBPROTOCOL_PREFIX = "stream-ser.token."
"""Before the token in a subprotocol: a page cannot set a header."""

LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Origins of pages of this machine."""


class AccessError(UserError):
    """The address cannot be served on without letting anyone in, or the token or certificate cannot be used."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect.

    Attributes:
        token: what every request must carry; None for none.
        origins: of pages that may connect, besides those of this machine.
        tls: what to serve TLS with; None for plain connections.
    """

    token: str | None = None
    origins: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is served on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(file: Path | None, host: str) -> str | None:
    """The token that clients must send; None where this machine alone can connect and no file is named.

    Raises:
        AccessError: another machine could connect without one, or the file holds no usable token.
    """
    if file is None:
        if is_loopback(host):
            return None
        raise AccessError(
            f"serving on {host} would let anyone who reaches it read along; give --token-file FILE, or --host 127.0.0.1"
        )
    try:
        token = file.read_text().strip()
        mode = file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(
            f"cannot read the token in {file}: {getattr(error, 'strerror', error)}; name another --token-file"
        ) from error
    if mode & 0o077:
        raise AccessError(f"others may read {file}; make it yours alone: chmod 600 {file}")
    if len(token) < MIN_TOKEN_CHARS or not re.fullmatch(r"[A-Za-z0-9._~-]+", token):
        raise AccessError(
            f"the token in {file} must have at least {MIN_TOKEN_CHARS} letters, digits, '.', '_', '~' or '-';"
            f" make one: python3 -c 'import secrets; print(secrets.token_urlsafe())' > {file}"
        )
    return token


def is_authorized(headers: Headers, token: str) -> bool:
    """Whether a request carries the token, as bearer or as a subprotocol. A wrong token takes as long as the right one."""
    candidates = []
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        candidates.append(value.strip())
    subprotocols = [one.strip() for one in ",".join(headers.get_all("Sec-WebSocket-Protocol")).split(",")]
    prefix = BEARER_SUBPROTOCOL_PREFIX
    candidates += [one.removeprefix(prefix) for one in subprotocols if one.startswith(prefix)]
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in candidates)


def tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What to serve TLS with; None for plain connections.

    Raises:
        AccessError: only one of them is given, or they do not fit.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise AccessError("TLS needs both --tls-cert and --tls-key; give the other one too")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise AccessError(
            f"cannot serve TLS with {certificate} and {key}: {reason}; give PEM files that belong together"
        ) from error
    return context
