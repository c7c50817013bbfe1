"""Notifies the service manager (sd_notify(3)); does nothing where there is none."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send e.g. ``READY=1`` or ``STATUS=...`` to the socket that systemd named in ``NOTIFY_SOCKET``."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or not state:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.connect("\0" + address[1:] if address.startswith("@") else address)
        manager.sendall(state.encode())
