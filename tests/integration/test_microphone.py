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
from collecting_client import CollectingClient
from patience import PATIENCE_S, wait_until
from process import Command, refused
from pulse_audio import SoundServer
from requirements import require_programs
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO

pytestmark = pytest.mark.integration


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[SoundServer]:
    require_programs("pulseaudio", "pactl", "paplay")
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
def listening(sound: SoundServer, device: str = "pulse") -> Iterator[tuple[Command, CollectingClient]]:
    """The daemon at a microphone, and a client; afterwards it must end cleanly."""
    with Command("listen", "--device", device, "--port", "0", "--provider", "cpu", env=sound.env) as command:
        with CollectingClient(command.address()) as client:
            yield command, client
            command.process.terminate()
            assert command.wait() == 0
        assert client.close_code == 1001
        assert [message.seq for message in client.messages] == list(range(len(client.messages)))


def ends(client: CollectingClient) -> int:
    return len(client.of(protocol.SpeechEnd))


def test_a_voice_at_the_microphone_gets_labels_and_silence_does_not(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (command, client):
        (hello,) = client.of(protocol.Hello)
        assert (hello.source, hello.host_api, hello.sample_rate) == ("pulse", "ALSA", 44_100)
        silent_until = _let_stream_time_pass(command, 2.0)
        assert len(client.messages) == 2
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "the end of the sentence")
        messages = client.messages[2:]
        _let_stream_time_pass(command, 2.0)
        assert len(client.messages) == 2 + len(messages)
    assert isinstance(messages[0], protocol.SpeechStart)
    assert messages[0].start >= silent_until - 1.0
    assert isinstance(messages[-1], protocol.SpeechEnd)
    emotions = messages[1:-1]
    assert len(emotions) > 10
    assert all(isinstance(message, protocol.Emotion) for message in emotions)
    assert [m.is_final for m in emotions if isinstance(m, protocol.Emotion)] == [False] * (len(emotions) - 1) + [True]
    assert command.errors == ""


def _let_stream_time_pass(command: Command, seconds: float) -> float:
    """Wait until stream time has advanced by ``seconds``, as new clients are greeted with it; return that time."""
    address = command.address()

    def now() -> float:
        with connect(address) as greeted:
            hello = protocol.decode(greeted.recv(PATIENCE_S))
            assert isinstance(hello, protocol.Hello)
            return hello.time

    until = now() + seconds
    wait_until(lambda: now() >= until, f"stream time is {until}")
    return until


def test_a_microphone_that_is_unplugged_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, client):
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "a label before")
        sound.remove("room")
        client.wait_until(lambda: "source_lost" in client.states(), "the loss")
        (lost,) = (status for status in client.of(protocol.Status) if status.state == "source_lost")
        assert lost.reason.startswith("pulse: ")
        sound.add("room")
        client.wait_until(lambda: "source_restored" in client.states(), "the return")
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 2, "a label after")
    (gap,) = client.of(protocol.Gap)
    assert gap.reason == "source_lost"
    assert gap.seconds > 1.0  # type: ignore[operator]
    first, second = client.of(protocol.SpeechEnd)
    assert first.end <= gap.start  # type: ignore[operator]
    assert second.start >= gap.start + gap.seconds  # type: ignore[operator]


def test_a_sound_server_that_is_killed_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (command, client):
        sound.kill()
        client.wait_until(lambda: "source_lost" in client.states(), "the loss")
        assert command.process.poll() is None
        sound.start()
        client.wait_until(lambda: "source_restored" in client.states(), "the return")
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "a label after")
    assert [gap.reason for gap in client.of(protocol.Gap)] == ["source_lost"]


def test_a_sound_system_that_stands_still_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, client):
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "a label before")
        sound.freeze()
        try:
            client.wait_until(lambda: "source_lost" in client.states(), "the loss")
        finally:
            sound.thaw()
        client.wait_until(lambda: "source_restored" in client.states(), "the return")
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 2, "a label after")
    (gap,) = client.of(protocol.Gap)
    assert gap.reason == "source_lost"
    assert gap.seconds > 0.5  # type: ignore[operator]
    (lost,) = (status for status in client.of(protocol.Status) if status.state == "source_lost")
    assert "no sound for" in lost.reason


def test_a_microphone_that_is_not_there_yet_is_waited_for(sound: SoundServer, sentence: Path) -> None:
    sound.kill()
    with listening(sound) as (command, client):
        command.wait_for("Waiting for pulse")
        command.wait_for("no input device.*waiting for it")
        assert client.of(protocol.Hello)[0].sample_rate == 0
        sound.start()
        client.wait_until(lambda: "source_restored" in client.states(), "it")
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "a label")


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_microphone_of_another_rate_is_resampled(sound: SoundServer, sentence: Path, rate: int) -> None:
    sound.add("other", rate)
    with listening(sound) as (_, client):
        sound.play(sentence, "other")
        client.wait_until(lambda: ends(client) == 1, "a label")


def test_of_two_microphones_only_the_chosen_one_counts(sound: SoundServer, sentence: Path) -> None:
    sound.add("other")
    with listening(sound) as (command, client):
        sound.play(sentence, "room")
        _let_stream_time_pass(command, 1.0)
        assert len(client.messages) == 2
        sound.play(sentence, "other")
        client.wait_until(lambda: ends(client) == 1, "a label")


def test_a_default_that_changes_is_survived(sound: SoundServer, sentence: Path) -> None:
    with listening(sound) as (_, client):
        sound.play(sentence)
        client.wait_until(lambda: ends(client) == 1, "a label before")
        sound.add("other")  # and makes it the default, which "pulse" stands for
        for name in ("room", "other"):  # the sound server decides whether it moves the daemon
            sound.play(sentence, name)
        client.wait_until(lambda: ends(client) >= 2, "a label after")


def test_the_virtual_microphone_is_listed(sound: SoundServer) -> None:
    with Command("devices", env=sound.env) as command:
        assert command.wait() == 0
        assert any("pulse" in line and "Hz" in line for line in command.lines)


def test_without_an_input_device_the_remedy_is_named() -> None:
    nowhere = {"PULSE_SERVER": "unix:/nowhere"}
    with Command("devices", env=nowhere) as command:
        if command.wait() == 0:
            pytest.skip("this machine has an input device of its own")
    with refused("devices", env=nowhere) as line:
        assert "no input device; connect a microphone" in line


def test_another_channel_is_reloaded_while_it_runs(sound: SoundServer, sentence: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(sentence, dtype="float32")
    one_sided = tmp_path / "right.wav"
    soundfile.write(one_sided, np.stack([np.zeros_like(samples), samples], axis=1), rate)
    folder = tmp_path / "config/stream-ser"
    folder.mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text('device = "pulse"\nport = 0\nprovider = "cpu"\nlog_format = "json"\nchannel = 1\n')
    env = {**sound.env, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with Command("listen", env=env) as command:

        def events(name: str) -> list[dict[str, object]]:
            logged = map(json.loads, command.errors.splitlines())
            return [event for event in logged if event["event"] == name]

        wait_until(lambda: bool(events("ready")), "it is ready")
        with CollectingClient(str(events("ready")[0]["address"])) as client:
            sound.play(one_sided)
            assert not client.of(protocol.SpeechStart), "nobody speaks on the first channel"
            config.write_text(config.read_text().replace("channel = 1", "channel = 2\nhop = 0.2"))
            command.process.send_signal(signal.SIGHUP)
            client.wait_until(lambda: "source_restored" in client.states(), "the other channel")
            sound.play(one_sided)
            client.wait_until(lambda: ends(client) == 1, "a label")
            config.write_text("volume = 11\n")
            command.process.send_signal(signal.SIGHUP)
            wait_until(lambda: bool(events("reload_refused")), "the wrong settings are refused")
            sound.play(one_sided)
            client.wait_until(lambda: ends(client) == 2, "a label all the same")
            command.process.terminate()
            assert command.wait() == 0
    (reloaded,) = events("reloaded")
    assert (reloaded["changed"], reloaded["after_a_restart"]) == ("channel", "hop")
    assert "there is no setting volume" in str(events("reload_refused")[0]["reason"])
    (lost,) = events("source_lost")
    assert lost["reason"] == "the settings name another"


def test_it_ends_while_the_sound_system_stands_still(sound: SoundServer) -> None:
    with Command("listen", "--device", "pulse", "--port", "0", "--provider", "cpu", env=sound.env) as command:
        with CollectingClient(command.address()) as client:
            sound.freeze()
            try:
                client.wait_until(lambda: "source_lost" in client.states(), "the loss")
                command.process.terminate()
                assert command.wait() == 0
            finally:
                sound.thaw()
        assert client.close_code == 1001
