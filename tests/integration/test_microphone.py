"""A real sound server with a virtual microphone, into which a voice is played."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from needs import need_programs
from process import WAIT, Command, refused, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.file import DEMO


@pytest.fixture(scope="module")
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """PulseAudio with a null sink whose monitor is the default microphone; gives the environment to reach it."""
    need_programs("pulseaudio", "pactl", "paplay")
    home = tmp_path_factory.mktemp("pulse")
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_RUNTIME_PATH": str(home / "pulse")}
    env["PULSE_SERVER"] = f"unix:{home}/pulse/native"
    server = subprocess.Popen(
        [
            "pulseaudio", "-n", "--exit-idle-time=-1", "--log-target=stderr", "--log-level=error",
            "-L", "module-native-protocol-unix auth-anonymous=1",
            "-L", "module-null-sink sink_name=room rate=48000",
        ],
        env=env,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: not subprocess.run(["pactl", "info"], env=env, capture_output=True).returncode, "pulseaudio answers")
    subprocess.run(["pactl", "set-default-source", "room.monitor"], env=env, check=True)
    yield env
    server.terminate()
    server.wait(WAIT)


def play(file: Path, env: dict[str, str]) -> None:
    subprocess.run(["paplay", "--device=room", str(file)], env=env, check=True, timeout=WAIT)


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """The demo's first sentence, as the sound server plays it."""
    samples, rate = soundfile.read(DEMO, dtype="float32")
    file = tmp_path / "sentence.wav"
    soundfile.write(file, samples[: round(6.8 * rate)], rate)
    return file


def test_a_voice_at_the_microphone_is_told_and_silence_is_not(sound_server: dict[str, str], sentence: Path) -> None:
    messages: list[protocol.ServerMessage] = []
    news = threading.Condition()

    def collect(address: str) -> None:
        try:
            with connect(address) as client:
                for data in client:
                    with news:
                        messages.append(protocol.decode(data))
                        news.notify_all()
        except ConnectionClosed:
            pass

    def latest() -> protocol.ServerMessage | None:
        return messages[-1] if messages else None

    with Command("listen", "--device", "pulse", "--port", "0", "--provider", "cpu", env=sound_server) as command:
        reader = threading.Thread(target=collect, args=(command.address(),))
        reader.start()
        with news:
            assert news.wait_for(lambda: isinstance(latest(), protocol.Status), WAIT)
        hello = messages[0]
        assert isinstance(hello, protocol.Hello)
        assert hello.source == "pulse"
        silent_until = _listen_in_silence(command, 2.0)
        assert len(messages) == 2
        play(sentence, sound_server)
        with news:
            assert news.wait_for(lambda: any(isinstance(m, protocol.SpeechEnd) for m in messages), WAIT)
        told = messages[2:]
        count = len(messages)
        _listen_in_silence(command, 2.0)
        assert len(messages) == count
        command.process.terminate()
        assert command.wait() == 0
        reader.join(WAIT)
    assert isinstance(told[0], protocol.SpeechStart)
    assert told[0].start >= silent_until - 1.0
    assert isinstance(told[-1], protocol.SpeechEnd)
    answers = told[1:-1]
    assert len(answers) > 10
    assert all(isinstance(message, protocol.Emotion) for message in answers)
    assert [m.is_final for m in answers if isinstance(m, protocol.Emotion)] == [False] * (len(answers) - 1) + [True]
    assert command.errors == ""


def _listen_in_silence(command: Command, seconds: float) -> float:
    """Let stream time pass, as a client that connects anew reads it."""
    address = command.address()

    def now() -> float:
        with connect(address) as client:
            hello = protocol.decode(client.recv(WAIT))
            assert isinstance(hello, protocol.Hello)
            return hello.time

    until = now() + seconds
    wait_until(lambda: now() >= until, f"stream time is {until}")
    return until


def test_the_virtual_microphone_is_listed(sound_server: dict[str, str]) -> None:
    with Command("devices", env=sound_server) as command:
        assert command.wait() == 0
        assert any("pulse" in line and "Hz" in line for line in command.lines)


def test_no_input_device_says_what_to_do() -> None:
    nowhere = {"PULSE_SERVER": "unix:/nowhere"}
    with Command("devices", env=nowhere) as command:
        if command.wait() == 0:
            pytest.skip("this machine has an input device of its own")
    with refused("listen", env=nowhere) as line:
        assert "no input device; connect a microphone" in line
