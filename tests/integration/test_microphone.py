"""A real sound server with virtual microphones, into which a voice is played and which come and go."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from follower import Follower
from needs import need_programs
from process import WAIT, Command, refused, wait_until
from pulse import SoundServer
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO

pytestmark = pytest.mark.integration

RECOVERY_S = 5.0
"""Within which a microphone that is back must give labels, but for the voice itself."""


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[SoundServer]:
    need_programs("pulseaudio", "pactl", "paplay")
    home = tmp_path / "pulse"
    home.mkdir()
    server = SoundServer(home)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    """The demo's first sentence, as the sound server plays it."""
    samples, rate = soundfile.read(DEMO, dtype="float32")
    file = tmp_path / "sentence.wav"
    soundfile.write(file, samples[: round(6.8 * rate)], rate)
    return file


@contextmanager
def listening(sound: SoundServer, device: str = "pulse") -> Iterator[tuple[Command, Follower]]:
    """The daemon at a microphone, and a client; afterwards it must end cleanly."""
    with Command("listen", "--device", device, "--port", "0", "--provider", "cpu", env=sound.env) as command:
        with Follower(command.address()) as follower:
            yield command, follower
            command.process.terminate()
            assert command.wait() == 0
        assert follower.code == 1001
        assert [message.seq for message in follower.messages] == list(range(len(follower.messages)))


def ends(follower: Follower) -> int:
    return len(follower.of(protocol.SpeechEnd))


def test_a_voice_at_the_microphone_is_labelled_and_silence_is_not(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (command, follower):
        (hello,) = follower.of(protocol.Hello)
        assert (hello.source, hello.host_api, hello.sample_rate) == ("pulse", "ALSA", 44_100)
        silent_until = _listen_in_silence(command, 2.0)
        assert len(follower.messages) == 2
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "the end of the sentence")
        told = follower.messages[2:]
        _listen_in_silence(command, 2.0)
        assert len(follower.messages) == 2 + len(told)
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


def test_a_microphone_that_is_unplugged_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, follower):
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "a label before")
        sound.remove("room")
        follower.wait_until(lambda: "source_lost" in follower.states(), "the loss")
        (lost,) = (status for status in follower.of(protocol.Status) if status.state == "source_lost")
        assert lost.reason.startswith("pulse: ")
        sound.add("room")
        follower.wait_until(lambda: "source_restored" in follower.states(), "the return", RECOVERY_S)
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 2, "a label after", RECOVERY_S)
    (gap,) = follower.of(protocol.Gap)
    assert gap.reason == "source_lost"
    assert gap.seconds > 1.0  # type: ignore[operator]
    first, second = follower.of(protocol.SpeechEnd)
    assert first.end <= gap.start  # type: ignore[operator]
    assert second.start >= gap.start + gap.seconds  # type: ignore[operator]


def test_a_sound_server_that_is_killed_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (command, follower):
        sound.kill()
        follower.wait_until(lambda: "source_lost" in follower.states(), "the loss")
        assert command.process.poll() is None
        sound.start()
        follower.wait_until(lambda: "source_restored" in follower.states(), "the return", RECOVERY_S)
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "a label after", RECOVERY_S)
    assert [gap.reason for gap in follower.of(protocol.Gap)] == ["source_lost"]


def test_a_sound_system_that_hangs_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, follower):
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "a label before")
        sound.freeze()
        try:
            follower.wait_until(lambda: "source_lost" in follower.states(), "the loss")
        finally:
            sound.thaw()
        follower.wait_until(lambda: "source_restored" in follower.states(), "the return", RECOVERY_S)
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 2, "a label after", RECOVERY_S)
    (gap,) = follower.of(protocol.Gap)
    assert gap.reason == "source_lost"
    assert gap.seconds > 0.5  # type: ignore[operator]
    (lost,) = (status for status in follower.of(protocol.Status) if status.state == "source_lost")
    assert "no sound for" in lost.reason


def test_a_microphone_that_is_not_there_yet_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    sound.kill()
    with listening(sound) as (command, follower):
        command.wait_for("Waiting for pulse")
        command.wait_for("no input device.*waiting for it")
        assert follower.of(protocol.Hello)[0].sample_rate == 0
        sound.start()
        follower.wait_until(lambda: "source_restored" in follower.states(), "it", RECOVERY_S)
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "a label", RECOVERY_S)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_microphone_of_another_rate_is_captured(sound: SoundServer, sentence: Path, rate: int) -> None:
    sound.add("other", rate)
    with listening(sound) as (_, follower):
        sound.play(sentence, "other")
        follower.wait_until(lambda: ends(follower) == 1, "a label")


def test_of_two_microphones_one_is_captured(sound: SoundServer, sentence: Path) -> None:
    sound.add("other")
    with listening(sound) as (command, follower):
        sound.play(sentence, "room")
        _listen_in_silence(command, 1.0)
        assert len(follower.messages) == 2
        sound.play(sentence, "other")
        follower.wait_until(lambda: ends(follower) == 1, "a label")


def test_a_default_that_changes_is_survived(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, follower):
        sound.play(sentence)
        follower.wait_until(lambda: ends(follower) == 1, "a label before")
        sound.add("other")  # and makes it the default, which "pulse" stands for
        for name in ("room", "other"):  # the sound server decides whether it moves who listens
            sound.play(sentence, name)
        follower.wait_until(lambda: ends(follower) >= 2, "a label after", RECOVERY_S)


def test_the_virtual_microphone_is_listed(sound: SoundServer) -> None:
    with Command("devices", env=sound.env) as command:
        assert command.wait() == 0
        assert any("pulse" in line and "Hz" in line for line in command.lines)


def test_without_an_input_device_the_error_names_a_remedy() -> None:
    nowhere = {"PULSE_SERVER": "unix:/nowhere"}
    with Command("devices", env=nowhere) as command:
        if command.wait() == 0:
            pytest.skip("this machine has an input device of its own")
    with refused("devices", env=nowhere) as line:
        assert "no input device; connect a microphone" in line


def test_another_channel_applies_while_it_runs(sound: SoundServer, sentence: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(sentence, dtype="float32")
    one_sided = tmp_path / "right.wav"
    soundfile.write(one_sided, np.stack([np.zeros_like(samples), samples], axis=1), rate)
    folder = tmp_path / "config/stream-ser"
    folder.mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text('device = "pulse"\nport = 0\nprovider = "cpu"\nlog_format = "json"\nchannel = 1\n')
    env = {**sound.env, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with Command("listen", env=env) as command:

        def records(event: str) -> list[dict[str, object]]:
            found = map(json.loads, command.errors.splitlines())
            return [record for record in found if record["event"] == event]

        wait_until(lambda: bool(records("ready")), "it is ready")
        with Follower(str(records("ready")[0]["address"])) as follower:
            sound.play(one_sided)
            assert not follower.of(protocol.SpeechStart), "nobody speaks on the first channel"
            config.write_text(config.read_text().replace("channel = 1", "channel = 2\nhop = 0.2"))
            command.process.send_signal(signal.SIGHUP)
            follower.wait_until(lambda: "source_restored" in follower.states(), "the other channel", RECOVERY_S)
            sound.play(one_sided)
            follower.wait_until(lambda: ends(follower) == 1, "a label", RECOVERY_S)
            config.write_text("volume = 11\n")
            command.process.send_signal(signal.SIGHUP)
            wait_until(lambda: bool(records("reload_refused")), "the wrong settings are refused")
            sound.play(one_sided)
            follower.wait_until(lambda: ends(follower) == 2, "a label all the same", RECOVERY_S)
            command.process.terminate()
            assert command.wait() == 0
    (reloaded,) = records("reloaded")
    assert (reloaded["applied"], reloaded["needs_restart"]) == ("channel", "hop")
    assert "there is no setting volume" in str(records("reload_refused")[0]["reason"])
    (lost,) = records("source_lost")
    assert lost["reason"] == "the settings name another"


def test_it_ends_also_while_the_sound_system_hangs(sound: SoundServer) -> None:
    with Command("listen", "--device", "pulse", "--port", "0", "--provider", "cpu", env=sound.env) as command:
        with Follower(command.address()) as follower:
            sound.freeze()
            try:
                follower.wait_until(lambda: "source_lost" in follower.states(), "the loss")
                command.process.terminate()
                assert command.wait() == 0
            finally:
                sound.thaw()
        assert follower.code == 1001
