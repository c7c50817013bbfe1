"""The unit file under a real systemd user instance, in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import need, need_programs
from process import WAIT

UNIT = Path(__file__).parents[2] / "systemd/stream-ser.service"

SCRIPT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
mkdir -p "$HOME/.local/bin" "$HOME/.config/systemd/user" "$HOME/.config/stream-ser"
cp "$UNIT" "$HOME/.config/systemd/user/"
ln -s "$PROGRAM" "$HOME/.local/bin/stream-ser"
printf 'input = "demo"\\nport = 0\\nprovider = "cpu"\\n' > "$HOME/.config/stream-ser/config.toml"
/lib/systemd/systemd --user > "$HOME/systemd.log" 2>&1 &
until systemctl --user list-units > /dev/null 2>&1; do kill -0 $!; done
systemd-analyze --user verify stream-ser.service
systemctl --user start stream-ser
echo "started: $(systemctl --user show stream-ser -p ActiveState -p StatusText | tr '\\n' ' ')"
systemctl --user stop stream-ser
echo "stopped: $(systemctl --user show stream-ser -p ActiveState -p Result -p ExecMainStatus | tr '\\n' ' ')"
kill $!
wait $! || true
"""


@pytest.fixture
def outcome(tmp_path: Path) -> dict[str, str]:
    """What the service said of itself after it was started and after it was stopped."""
    need_programs("unshare", "systemctl", "systemd-analyze")
    need(Path("/lib/systemd/systemd").exists(), "systemd")
    need(os.geteuid() == 0, "root, to start a service manager of its own")
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": "/run/user/test",
        "UNIT": str(UNIT),
        "PROGRAM": str(Path(sys.executable).parent / "stream-ser"),
    }
    env.pop("XDG_CONFIG_HOME", None)
    result = subprocess.run(
        ["unshare", "--mount", "--kill-child", "--pid", "--fork", "--mount-proc", "bash", "-c", SCRIPT],
        env=env,
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return dict(line.split(": ", 1) for line in result.stdout.splitlines())


def test_the_service_starts_when_it_is_ready_and_stops_cleanly(outcome: dict[str, str]) -> None:
    # systemctl start returns when Type=notify has heard READY=1, so the status must be there.
    assert "ActiveState=active" in outcome["started"]
    assert "StatusText=listening to demo.flac at ws://127.0.0.1:" in outcome["started"]
    assert outcome["stopped"].split() == ["Result=success", "ExecMainStatus=0", "ActiveState=inactive"]
