"""The module that the daemon serves, in Node and in Chromium."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from needs import need, need_programs
from process import WAIT, Command

DEMO = ("listen", "--input", "demo", "--port", "0", "--provider", "cpu")
TOKEN = "a-token-of-some-length"

FOLLOW = """
import { StreamSer } from "./stream-ser.mjs";
const [url, token] = process.argv.slice(2);
const ser = new StreamSer(url, { token, subscribe: { types: ["emotion", "status"], only_final: true } });
ser.on("*", (message) => console.log(JSON.stringify(message)));
const off = ser.on("hello", () => console.log(JSON.stringify({ type: "once" })));
ser.on("hello", off);
ser.on("status", (message) => { if (message.state === "ended") ser.close(); });
"""


@contextmanager
def _node(folder: Path, address: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    need_programs("node")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    need(int(version[1:].split(".")[0]) >= 20, "Node.js 20 or newer")
    flags = ["--experimental-websocket", "--no-warnings"] if version.startswith("v20") else []
    with urllib.request.urlopen(address.replace("ws", "http", 1) + "stream-ser.js", timeout=WAIT) as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        (folder / "stream-ser.mjs").write_bytes(answer.read())
    (folder / "follow.mjs").write_text(FOLLOW)
    command = ["node", *flags, "follow.mjs", address, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as node:
        yield node
        node.kill()


def _told(node: subprocess.Popen[str]) -> list[dict[str, object]]:
    assert node.stdout is not None
    lines = [json.loads(line) for line in node.stdout]
    assert node.wait(WAIT) == 0
    return lines


@pytest.mark.parametrize("protected", [False, True])
def test_node_follows_the_daemon_to_its_end(tmp_path: Path, protected: bool) -> None:
    token_file = tmp_path / "token"
    token_file.touch(0o600)
    token_file.write_text(TOKEN)
    more = ("--token-file", str(token_file)) if protected else ()
    with Command(*DEMO, *more) as daemon:
        with _node(tmp_path, daemon.address(), *([TOKEN] if protected else [])) as node:
            told = _told(node)
        assert daemon.wait() == 0
    kinds = [message["type"] for message in told]
    assert kinds[:3] == ["once", "hello", "status"] or kinds[:3] == ["hello", "once", "status"]
    emotions = [message for message in told if message["type"] == "emotion"]
    assert len(emotions) >= 4
    assert all(message["is_final"] for message in emotions)
    assert set(kinds) == {"once", "hello", "status", "emotion"}


def test_node_comes_back_when_the_daemon_does(tmp_path: Path) -> None:
    with Command(*DEMO) as first:
        address = first.address()
        port = address.rstrip("/").rsplit(":", 1)[1]
        with _node(tmp_path, address) as node:
            assert node.stdout is not None
            while json.loads(node.stdout.readline())["type"] != "status":
                pass
            first.process.kill()
            first.wait()
            with Command("listen", "--input", "demo", "--port", port, "--provider", "cpu") as second:
                told = _told(node)
                assert second.wait() == 0
    assert [message["type"] for message in told].count("hello") == 1, "greeted again"
    assert sum(message["type"] == "emotion" for message in told) >= 4, "with the subscription"
