"""The services under real service managers, a user's and a machine's, each in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import PATIENCE_S
from requirements import require, require_programs

pytestmark = pytest.mark.integration

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

# The first process of a machine that has these units and no others: nothing of this one is mounted, cleaned or set up.
BOOT = """
set -e
mount -t overlay overlay -o "lowerdir=/usr/local/bin,upperdir=$HOME/bin,workdir=$HOME/work" /usr/local/bin
mount -t tmpfs tmpfs /run
export SYSTEMD_UNIT_PATH="$HOME/units" SYSTEMD_GENERATOR_PATH=/run/none container=test
exec /lib/systemd/systemd --system --unit=script.service --log-target=console
"""

TARGET = "[Unit]\nDefaultDependencies=no\n"

SCRIPT = """[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash -e {home}/script
StandardOutput=file:{home}/printed
StandardError=file:{home}/errors
"""


def unshare(home: Path, shell: str, *spaces: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands in mount and process namespaces of their own, and in ``spaces``."""
    require_programs("unshare", "systemctl", "systemd-analyze")
    require(Path("/lib/systemd/systemd").exists(), "systemd")
    require(os.geteuid() == 0, "root, to start a service manager of its own")
    env = {**os.environ, "HOME": str(home), "PROGRAM": str(PROGRAM), **variables}
    env.pop("XDG_CONFIG_HOME", None)
    return subprocess.run(
        ["unshare", "--mount", "--kill-child", "--pid", "--fork", "--mount-proc", *spaces, "bash", "-c", shell],
        env=env,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
    )


def values_of(output: str) -> dict[str, str]:
    """What a script printed as ``name: value`` lines."""
    return dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)


def manage(home: Path, script: str, **variables: str) -> dict[str, str]:
    """Run a script beside a user's service manager; return what it printed, by name."""
    result = unshare(home, BEGIN + script + END, XDG_RUNTIME_DIR="/run/user/test", **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return values_of(result.stdout)


def boot(home: Path, settings: str, script: str) -> dict[str, str]:
    """Run a script on a machine that has the system unit, with ``settings`` on top; return what it printed, by name."""
    units, errors = home / "units", home / "errors"
    for folder in (units / "stream-ser.service.d", home / "bin", home / "work"):
        folder.mkdir(parents=True)
    (home / "bin" / "stream-ser").symlink_to(PROGRAM)
    shutil.copy(UNITS / "stream-ser-system.service", units / "stream-ser.service")
    (units / "stream-ser.service.d" / "test.conf").write_text(settings)
    for name in ("sysinit", "basic", "shutdown"):
        (units / f"{name}.target").write_text(TARGET)
    (units / "script.service").write_text(SCRIPT.format(home=home))
    (home / "script").write_text(script)
    result = unshare(home, BOOT, "--uts", "--ipc", "--cgroup")
    assert result.returncode == 0, result.stdout + result.stderr + (errors.read_text() if errors.exists() else "")
    assert errors.read_text() == ""
    return values_of((home / "printed").read_text())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five minutes in which nobody speaks."""
    file = tmp_path / "silence.flac"
    soundfile.write(file, np.zeros(300 * 16_000, np.int16), 16_000)
    return file


def test_the_unit_file_reports_ready_reloads_and_stops_cleanly(tmp_path: Path) -> None:
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
    printed = manage(tmp_path, script, UNIT=str(UNITS / "stream-ser.service"))
    # systemctl start returns when Type=notify has received READY=1.
    assert printed["state"] == "active"
    assert printed["status"].startswith("listening to demo.flac, ")
    assert "0 clients at ws://127.0.0.1:" in printed["status"]
    assert "RECORDING" not in printed["status"]
    assert printed["reloaded"] == "active"
    assert printed["stopped"] == "inactive success 0"


def test_the_installed_service_is_restarted_after_a_kill_and_uninstalled(tmp_path: Path, recording: Path) -> None:
    script = """
"$PROGRAM" service install --input "$RECORDING" --port 0 --provider cpu --record "$HOME/recordings"
echo "state: $(show ActiveState)"
"$PROGRAM" service status > "$HOME/status"
echo "reported: $(tr '\\n' ' ' < "$HOME/status")"
OLD=$(show MainPID)
kill -9 $OLD
until [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; do sleep 0.05; done
[ "$(show MainPID)" != $OLD ]
"$PROGRAM" service uninstall
"$PROGRAM" service status > "$HOME/status" || echo "code: $?"
echo "afterwards: $(cat "$HOME/status")"
echo "left: $(find "$HOME/.config/systemd" -type f -o -type l | wc -l)"
"""
    printed = manage(tmp_path, script, RECORDING=str(recording))
    assert printed["state"] == "active"
    assert printed["reported"].startswith("active (running), restarted 0 times listening to silence.flac")
    assert printed["reported"].strip().endswith(f"RECORDING to {tmp_path}/recordings")
    assert printed["code"] == "3"
    assert printed["afterwards"].startswith("not installed")
    assert printed["left"] == "0"


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
        "import threading; from stream_ser.cli import app; from stream_ser.core import engine;"
        " engine.Engine.step = lambda self: threading.Event().wait(); app.main()"
    )
    printed = manage(
        tmp_path,
        script,
        UNIT=str(UNITS / "stream-ser.service"),
        RECORDING=str(recording),
        PYTHON=sys.executable,
        SABOTAGED=sabotaged,
    )
    assert printed == {"state": "active", "cause": "watchdog"}


def test_the_system_unit_runs_as_a_dynamic_user_and_is_restarted_after_a_kill(tmp_path: Path) -> None:
    # Of the unit, only what a checkout needs is loosened: it may lie in a home.
    seen = " ".join({sys.base_prefix, sys.prefix, str(UNITS.parent)})
    settings = f"""[Service]
Environment=STREAM_SER_INPUT=demo STREAM_SER_PORT=0 STREAM_SER_PROVIDER=cpu
ProtectHome=tmpfs
BindReadOnlyPaths={seen}
"""
    script = """
show() { systemctl show stream-ser -p "$1" --value; }
systemctl start stream-ser
echo "state: $(show ActiveState)"
until show StatusText | grep -q listening; do sleep 0.1; done
echo "status: $(show StatusText)"
OLD=$(show MainPID)
echo "user: $(stat -c %u /proc/$OLD)"
echo "capabilities: $(grep CapEff /proc/$OLD/status | cut -f 2)"
kill -9 $OLD
until [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; do sleep 0.05; done
[ "$(show MainPID)" != $OLD ]
systemctl stop stream-ser
echo "stopped: $(show ActiveState) $(show Result) $(show ExecMainStatus)"
"""
    printed = boot(tmp_path, settings, script)
    assert printed["state"] == "active"
    assert printed["status"].startswith("listening to demo.flac, ")
    assert int(printed["user"]) >= 61_184, "not one of those that systemd hands out"
    assert int(printed["capabilities"], 16) == 0
    assert printed["stopped"] == "inactive success 0"
