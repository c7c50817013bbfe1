"""The service under a real systemd user instance, in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from needs import need, need_programs
from process import WAIT

UNITS = Path(__file__).parents[2] / "systemd"
PROGRAM = Path(sys.executable).parent / "stream-ser"

BEGIN = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
mkdir -p "$HOME/.local/bin" "$HOME/.config/systemd/user" "$HOME/.config/stream-ser"
/lib/systemd/systemd --user > "$HOME/systemd.log" 2>&1 &
MANAGER=$!
until systemctl --user list-units > /dev/null 2>&1; do kill -0 $MANAGER; done
show() { systemctl --user show stream-ser -p "$1" --value; }
"""

END = """
kill $MANAGER
wait $MANAGER || true
"""


def manage(home: Path, script: str, **variables: str) -> dict[str, str]:
    """Run a script beside a service manager; give what it printed as ``name: value`` lines."""
    need_programs("unshare", "systemctl", "systemd-analyze")
    need(Path("/lib/systemd/systemd").exists(), "systemd")
    need(os.geteuid() == 0, "root, to start a service manager of its own")
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": "/run/user/test", "PROGRAM": str(PROGRAM), **variables}
    env.pop("XDG_CONFIG_HOME", None)
    result = subprocess.run(
        ["unshare", "--mount", "--kill-child", "--pid", "--fork", "--mount-proc", "bash", "-c", BEGIN + script + END],
        env=env,
        capture_output=True,
        text=True,
        timeout=3 * WAIT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return dict(line.split(": ", 1) for line in result.stdout.splitlines() if ": " in line)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five minutes in which nobody speaks."""
    file = tmp_path / "silence.flac"
    soundfile.write(file, np.zeros(300 * 16_000, np.int16), 16_000)
    return file


def test_the_unit_file_installed_by_hand_starts_when_it_is_ready_and_stops_cleanly(tmp_path: Path) -> None:
    script = """
cp "$UNIT" "$HOME/.config/systemd/user/"
ln -s "$PROGRAM" "$HOME/.local/bin/stream-ser"
printf 'input = "demo"\\nport = 0\\nprovider = "cpu"\\n' > "$HOME/.config/stream-ser/config.toml"
systemd-analyze --user verify stream-ser.service
systemctl --user start stream-ser
echo "state: $(show ActiveState)"
until show StatusText | grep -q listening; do sleep 0.1; done
echo "status: $(show StatusText)"
printf 'channel = 2\n' >> "$HOME/.config/stream-ser/config.toml"
systemctl --user reload stream-ser
echo "reloaded: $(show ActiveState)"
systemctl --user stop stream-ser
echo "stopped: $(show ActiveState) $(show Result) $(show ExecMainStatus)"
"""
    told = manage(tmp_path, script, UNIT=str(UNITS / "stream-ser.service"))
    # systemctl start returns when Type=notify has heard READY=1.
    assert told["state"] == "active"
    assert told["status"].startswith("listening to demo.flac, ")
    assert "0 clients at ws://127.0.0.1:" in told["status"]
    assert "RECORDING" not in told["status"]
    assert told["reloaded"] == "active"
    assert told["stopped"] == "inactive success 0"


def test_the_service_is_installed_survives_a_kill_and_is_uninstalled(tmp_path: Path, recording: Path) -> None:
    script = """
"$PROGRAM" service install --input "$RECORDING" --port 0 --provider cpu --record "$HOME/kept"
echo "state: $(show ActiveState)"
"$PROGRAM" service status > "$HOME/status"
echo "reported: $(tr '\\n' ' ' < "$HOME/status")"
OLD=$(show MainPID)
BEGAN=$(date +%s%N)
kill -9 $OLD
until [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; do sleep 0.05; done
echo "milliseconds: $(( ($(date +%s%N) - BEGAN) / 1000000 ))"
[ "$(show MainPID)" != $OLD ]
"$PROGRAM" service uninstall
"$PROGRAM" service status > "$HOME/status" || echo "code: $?"
echo "afterwards: $(cat "$HOME/status")"
echo "left: $(find "$HOME/.config/systemd" -type f -o -type l | wc -l)"
"""
    told = manage(tmp_path, script, RECORDING=str(recording))
    assert told["state"] == "active"
    assert told["reported"].startswith("active (running), restarted 0 times listening to silence.flac")
    assert told["reported"].strip().endswith(f"RECORDING to {tmp_path}/kept")
    assert int(told["milliseconds"]) < 10_000
    assert told["code"] == "3"
    assert told["afterwards"].startswith("not installed")
    assert told["left"] == "0"


def test_a_daemon_whose_worker_hangs_is_restarted(tmp_path: Path, recording: Path) -> None:
    script = """
cp "$UNIT" "$HOME/.config/systemd/user/"
printf '#!%s\\n%s\\n' "$PYTHON" "$SABOTAGED" > "$HOME/.local/bin/stream-ser"
chmod +x "$HOME/.local/bin/stream-ser"
printf 'input = "%s"\\nport = 0\\nprovider = "cpu"\\n' "$RECORDING" > "$HOME/.config/stream-ser/config.toml"
systemctl --user start stream-ser
echo "state: $(show ActiveState)"
until [ "$(show NRestarts)" = 1 ]; do
  RESULT=$(show Result)
  [ "$RESULT" = success ] || CAUSE=$RESULT
done
echo "cause: $CAUSE"
systemctl --user stop stream-ser || true
"""
    sabotaged = (
        "import threading; from stream_ser import cli, engine;"
        " engine.Engine.step = lambda self: threading.Event().wait(); cli.main()"
    )
    told = manage(
        tmp_path,
        script,
        UNIT=str(UNITS / "stream-ser.service"),
        RECORDING=str(recording),
        PYTHON=sys.executable,
        SABOTAGED=sabotaged,
    )
    assert told == {"state": "active", "cause": "watchdog"}
