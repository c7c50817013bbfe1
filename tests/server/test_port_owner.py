from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from requirements import require

from stream_ser.server.port_owner import describe_port_owner

pytestmark = pytest.mark.unit

LISTENS = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"


def test_a_program_of_this_user_is_named_with_its_process() -> None:
    require(Path("/proc/net/tcp").exists(), "Linux")
    with subprocess.Popen([sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert describe_port_owner("127.0.0.1", port) == f"{Path(sys.executable).name} (process {other.pid})"
        other.communicate("\n")


def test_a_process_that_cannot_be_found_is_another_program() -> None:
    with socket.socket() as bound:  # bound, not listening
        bound.bind(("127.0.0.1", 0))
        assert describe_port_owner("127.0.0.1", bound.getsockname()[1]) == "another program"
