"""``stream-ser listen`` as a process, with real files, sockets and signals."""

from __future__ import annotations

import ctypes.util
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from patience import PATIENCE_S, wait_until
from process import Command, refused
from requirements import require
from signals import RATE, silence, voice
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO as DEMO_FILE
from stream_ser.errors import install_hint

pytestmark = pytest.mark.integration

DEMO = ("listen", "--input", "demo", "--port", "0", "--provider", "cpu")


def follow(client: ClientConnection) -> tuple[list[protocol.ServerMessage], int | None]:
    """Every message until the server closes, and the close code."""
    messages = []
    try:
        while True:
            messages.append(protocol.decode(client.recv(PATIENCE_S)))
    except ConnectionClosed as closed:
        return messages, closed.rcvd.code if closed.rcvd else None


def test_listening_leaves_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # ONNX Runtime by itself keeps no identifier and queue for its telemetry on what it takes for a build server.
    for name in ("CI", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    with Command(*DEMO, env={"HOME": str(home)}) as command, connect(command.address()) as client:
        follow(client)
        assert command.wait() == 0
    assert list(home.rglob("*")) == []


def test_the_demo_streams_labels_and_ends_by_itself() -> None:
    with Command(*DEMO) as command, connect(command.address()) as client:
        messages, code = follow(client)
        assert command.wait() == 0
    assert code == 1001
    assert [message.seq for message in messages] == list(range(len(messages)))
    hello, status, *rest = messages
    assert isinstance(hello, protocol.Hello)
    assert isinstance(status, protocol.Status)
    assert (hello.protocol, hello.source, hello.sample_rate) == (protocol.VERSION, "demo.flac", RATE)
    assert hello.provider == "CPUExecutionProvider"
    starts = [m for m in rest if isinstance(m, protocol.SpeechStart)]
    finals = [m for m in rest if isinstance(m, protocol.Emotion) and m.is_final]
    ends = [m for m in rest if isinstance(m, protocol.SpeechEnd)]
    assert len(starts) == len(finals) == len(ends) >= 4
    assert isinstance(rest[-1], protocol.Status)
    assert (rest[-1].state, rest[-1].label) == ("ended", "no_speech")
    # Labels stand within speech only.
    spans = list(zip(starts, ends, strict=True))
    for message in rest:
        if isinstance(message, protocol.Emotion):
            assert any(start.start <= message.start and message.end <= end.end + 0.6 for start, end in spans)
            assert sum(message.probabilities.values()) == pytest.approx(1.0, abs=1e-4)
            assert set(message.models) == {"lstm", "mlp"}
            assert message.label in (*hello.labels, "uncertain")


def test_fast_and_realtime_give_the_same_labels() -> None:
    def finals(*more: str) -> list[str]:
        with Command(*DEMO, *more) as command:
            assert command.wait() == 0
        return [line for line in command.lines if " = " in line]

    assert finals("--fast") == finals("--realtime") != []


def test_a_name_with_colons_is_printed_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a :warning: sign.wav"
    soundfile.write(file, silence(0.5), RATE)
    with Command("listen", "--input", str(file), "--fast", "--port", "0", "--provider", "cpu") as command:
        assert command.wait() == 0, command.errors
    assert f"Listening to {file.name} at {RATE} Hz." in command.output


def test_no_label_is_written_into_a_journal() -> None:
    with Command(*DEMO, "--fast", env={"JOURNAL_STREAM": "8:1"}) as command:
        assert command.wait() == 0
    assert command.output == ""
    lines = command.errors.splitlines()
    assert lines[0].startswith("<6>info ready address=ws://127.0.0.1:")
    assert [line.split()[1] for line in lines] == ["ready", "stopping"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with Command(*DEMO) as command, connect(command.address()) as client:
        client.recv(PATIENCE_S)
        command.process.send_signal(number)
        _, code = follow(client)
        assert command.wait() == 0
    assert code == 1001
    assert command.errors == ""


def test_the_daemon_loads_nothing_of_training() -> None:
    script = (
        "import sys; sys.argv = ['stream-ser', 'listen', '--input', 'demo', '--fast', '--port', '0', '--provider', 'cpu']\n"
        "from stream_ser.cli.app import app\n"
        "app(standalone_mode=False)\n"
        "print('loaded', sorted({name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = next(line for line in result.stdout.splitlines() if line.startswith("loaded"))
    for module in ("tensorflow", "keras", "sklearn", "onnx", "tf2onnx", "librosa", "sounddevice", "stream_ser_train"):
        assert f"'{module}'" not in loaded


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_a_file_with_broken_samples_is_processed_to_its_end(tmp_path: Path, rate: int) -> None:
    signal_ = np.concatenate((silence(0.5), voice(1.0, np.random.default_rng(0)), silence(0.5)))
    signal_[3_000:9_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", np.stack([signal_, signal_], axis=1), rate, subtype="FLOAT")
    arguments = ("listen", "--input", str(tmp_path / "nan.wav"), "--port", "0", "--provider", "cpu")
    with Command(*arguments) as command, connect(command.address()) as client:
        messages, _ = follow(client)
        assert command.wait() == 0
    assert isinstance(messages[-1], protocol.Status)
    assert messages[-1].repaired > 0
    assert command.errors == ""


def test_watch_shows_the_labels_of_another_process() -> None:
    with Command(*DEMO) as daemon:
        with Command("watch", daemon.address()) as watch:
            assert watch.wait() == 0
            assert "Watching demo.flac" in watch.output
            assert "no_speech" in watch.output
            assert "The other side has ended." in watch.output
        assert daemon.wait() == 0


def test_the_service_manager_is_notified(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(PATIENCE_S)
        with Command(*DEMO, env={"NOTIFY_SOCKET": str(address)}) as command:
            ready = manager.recv(4096).decode().splitlines()
            assert ready[0] == "READY=1"
            assert ready[1].startswith("STATUS=listening to demo.flac")
            with connect(command.address()) as client:  # ready means that clients are served
                client.recv(PATIENCE_S)
            notified: list[str] = []
            while notified.count("WATCHDOG=1") < 2:
                notified += manager.recv(4096).decode().splitlines()
            assert {line.split("=")[0] for line in notified} <= {"WATCHDOG", "STATUS"}
            command.process.send_signal(signal.SIGTERM)
            while notified[-1] != "STOPPING=1":
                notified += manager.recv(4096).decode().splitlines()
            assert command.wait() == 0


def test_a_device_that_is_not_there_is_waited_for_and_named() -> None:
    require(ctypes.util.find_library("portaudio") is not None, "PortAudio")
    with Command("listen", "--device", "no such microphone", "--port", "0", "--provider", "cpu") as command:
        command.wait_for("^Waiting for no such microphone.$")
        command.wait_for("source lost: no input device.*; waiting for it")
        command.process.terminate()
        assert command.wait() == 0
    assert command.errors == ""


class TestRefusals:
    def test_a_port_in_use(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with refused("listen", "--input", "demo", "--port", str(port)) as line:
                assert f"port {port} on 127.0.0.1 is held by " in line

    def test_a_folder_without_models(self, tmp_path: Path) -> None:
        with refused("listen", "--input", "demo", "--models", str(tmp_path)) as line:
            assert f"no model at {tmp_path / 'mlp.onnx'}" in line

    def test_a_missing_file(self) -> None:
        with refused("listen", "--input", "no/such.wav") as line:
            assert "cannot read no/such.wav: no such file" in line

    @pytest.mark.parametrize(
        ("option", "value"), [("--hop", "0"), ("--hop", "2"), ("--window", "0.1"), ("--port", "70000"), ("--provider", "tpu")]
    )
    def test_a_value_out_of_range(self, option: str, value: str) -> None:
        with refused("listen", "--input", "demo", option, value) as line:
            assert f"setting {option[2:]} is " in line

    def test_nobody_to_watch(self) -> None:
        with refused("watch", "ws://127.0.0.1:9/") as line:
            assert "is stream-ser listen running there?" in line

    def test_training_without_its_packages(self) -> None:
        script = (
            "import sys, importlib.util as u; found = u.find_spec\n"
            "u.find_spec = lambda name, *a: None if name == 'tensorflow' else found(name, *a)\n"
            "sys.argv = ['stream-ser', 'train', '--out', 'x']\n"
            "from stream_ser.cli.app import main; main()"
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert result.returncode == 1
        assert result.stderr == f"stream-ser: training needs tensorflow; {install_hint('train')}\n"


@pytest.mark.parametrize(("source", "code"), [("demo", 0), ("nothing.wav", 1)])
def test_the_doctor_reports_whether_listening_would_work(source: str, code: int) -> None:
    settings = {"STREAM_SER_INPUT": source, "STREAM_SER_PORT": "0"}
    with Command("doctor", "--json", env=settings) as doctor:
        assert doctor.wait() == code, doctor.errors
    findings = {finding["name"]: finding["ok"] for finding in json.loads(doctor.output)["findings"]}
    assert findings.pop("source") is (code == 0)
    assert all(findings.values())
    with Command("doctor", env=settings) as doctor:
        assert doctor.wait() == code
        assert ("FAIL source" in doctor.output) is (code == 1)


def test_a_second_daemon_names_the_holder_of_the_port() -> None:
    with Command(*DEMO) as first:
        port = first.address().rstrip("/").rsplit(":", 1)[1]
        with refused("listen", "--input", "demo", "--port", port, "--provider", "cpu") as line:
            assert re.search(
                rf"port {port} on 127.0.0.1 is held by stream-ser \S+, which listens to demo.flac, process {first.process.pid};"
                " stop it or choose another --port",
                line,
            )


def test_the_log_is_json_on_request_and_holds_no_label() -> None:
    with Command(*DEMO, "--log-format", "json") as command:
        wait_until(lambda: '"ready"' in command.errors, "it is ready")
        address = json.loads(command.errors.splitlines()[0])["address"]
        with connect(address) as client:
            follow(client)
        assert command.wait() == 0
    events = [json.loads(line) for line in command.errors.splitlines()]
    assert [event["event"] for event in events] == ["ready", "client_connected", "stopping", "client_disconnected"]
    assert {event["level"] for event in events} == {"info"}
    assert events[0]["source"] == "demo.flac"
    assert command.output == ""


def test_an_error_is_a_log_event_too() -> None:
    with Command("listen", "--input", "nowhere.wav", "--log-format", "json") as command:
        assert command.wait() == 1
    (line,) = command.errors.splitlines()
    event = json.loads(line)
    assert (event["level"], event["event"]) == ("error", "failed")
    assert "nowhere.wav" in event["reason"]


def test_a_recording_holds_the_audio_and_the_messages(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    with Command(*DEMO, "--record", str(folder)) as command, connect(command.address()) as client:
        command.wait_for(f"RECORDING audio and labels to {re.escape(str(folder))}")
        messages, _ = follow(client)
        assert command.wait() == 0
    hello, status = messages[:2]
    assert isinstance(hello, protocol.Hello)
    assert isinstance(status, protocol.Status)
    assert hello.recording
    assert status.recording
    (sound,), (labels,) = folder.glob("*.wav"), folder.glob("*.jsonl")
    written, _ = soundfile.read(sound, dtype="float32")
    original, _ = soundfile.read(DEMO_FILE, dtype="float32")
    np.testing.assert_allclose(written, original, atol=1e-4)
    recorded = [protocol.decode(line) for line in labels.read_text().splitlines()]
    assert isinstance(recorded[0], protocol.Hello)
    assert recorded[1:] == [msgspec.structs.replace(message, seq=0) for message in messages[2:]]


def test_by_default_nothing_is_recorded_and_clients_know() -> None:
    with Command(*DEMO) as command, connect(command.address()) as client:
        hello = protocol.decode(client.recv(PATIENCE_S))
        assert isinstance(hello, protocol.Hello)
        assert not hello.recording
        command.process.terminate()
        assert command.wait() == 0


def test_a_folder_that_cannot_be_recorded_to_is_refused() -> None:
    with refused(*DEMO, "--record", "/proc/nowhere") as line:
        assert "cannot record to /proc/nowhere" in line
