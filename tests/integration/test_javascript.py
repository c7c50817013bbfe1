"""The module that the daemon serves, in Node and in Chromium."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from patience import PATIENCE_S
from process import Command
from requirements import require, require_programs

pytestmark = pytest.mark.integration

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
    require_programs("node")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    require(int(version[1:].split(".")[0]) >= 20, "Node.js 20 or newer")
    flags = ["--experimental-websocket", "--no-warnings"] if version.startswith("v20") else []
    with urllib.request.urlopen(address.replace("ws", "http", 1) + "stream-ser.js", timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        (folder / "stream-ser.mjs").write_bytes(answer.read())
    (folder / "follow.mjs").write_text(FOLLOW)
    command = ["node", *flags, "follow.mjs", address, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as node:
        yield node
        node.kill()


def _messages_until_exit(node: subprocess.Popen[str]) -> list[dict[str, object]]:
    assert node.stdout is not None
    lines = [json.loads(line) for line in node.stdout]
    assert node.wait(PATIENCE_S) == 0
    return lines


@pytest.mark.parametrize("protected", [False, True])
def test_node_follows_the_daemon_to_its_end(tmp_path: Path, protected: bool) -> None:
    token_file = tmp_path / "token"
    token_file.touch(0o600)
    token_file.write_text(TOKEN)
    more = ("--token-file", str(token_file)) if protected else ()
    with Command(*DEMO, *more) as daemon:
        with _node(tmp_path, daemon.address(), *([TOKEN] if protected else [])) as node:
            messages = _messages_until_exit(node)
        assert daemon.wait() == 0
    kinds = [message["type"] for message in messages]
    assert kinds[:3] == ["once", "hello", "status"] or kinds[:3] == ["hello", "once", "status"]
    emotions = [message for message in messages if message["type"] == "emotion"]
    assert len(emotions) >= 4
    assert all(message["is_final"] for message in emotions)
    assert set(kinds) == {"once", "hello", "status", "emotion"}


def test_node_reconnects_when_the_daemon_is_back(tmp_path: Path) -> None:
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
                messages = _messages_until_exit(node)
                assert second.wait() == 0
    assert [message["type"] for message in messages].count("hello") == 1, "greeted once more"
    assert sum(message["type"] == "emotion" for message in messages) >= 4, "with the subscription"


PAGE = """<!doctype html><meta charset="utf-8"><title>overlay</title>
<script type="module">
import { StreamSer } from "http://%(place)s/stream-ser.js";
const post = (what) => fetch("/messages", { method: "POST", body: JSON.stringify(what) });
const ser = new StreamSer("ws://%(place)s/v1/live", { subscribe: { types: ["emotion"], only_final: true } });
ser.on("hello", (message) => post(message));
ser.on("emotion", (message) => post(message));
</script>"""


class _Site(ThreadingHTTPServer):
    """Serves one page, and queues what it posts."""

    def __init__(self, page: str) -> None:
        self.posted: queue.Queue[dict[str, object]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page.encode()


class _Handler(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page)

    def do_POST(self) -> None:
        self.server.posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_this_machine_follows_the_daemon_in_a_browser(tmp_path: Path) -> None:
    require_programs("chromium")
    with Command(*DEMO) as daemon:
        place = daemon.address().removeprefix("ws://").rstrip("/")
        with _Site(PAGE % {"place": place}) as site:
            serving = threading.Thread(target=site.serve_forever)
            serving.start()
            flags = [
                "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}",
            ]  # fmt: skip
            command = ["chromium", *flags, "--remote-debugging-port=0", f"http://127.0.0.1:{site.server_port}/"]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
                try:
                    hello, emotion = site.posted.get(timeout=PATIENCE_S), site.posted.get(timeout=PATIENCE_S)
                finally:
                    browser.terminate()
                    browser.wait(PATIENCE_S)
                    site.shutdown()
                    serving.join(PATIENCE_S)
        daemon.process.terminate()
        assert daemon.wait() == 0
    assert (hello["type"], hello["source"]) == ("hello", "demo.flac")
    assert (emotion["type"], emotion["is_final"]) == ("emotion", True)
