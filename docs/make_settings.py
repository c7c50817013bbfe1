"""Writes docs/reference/settings.md from the settings of `stream-ser listen`.

Run from the root of the repository: python docs/make_settings.py
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from stream_ser.daemon.settings import describe

PAGE = Path(__file__).parent / "reference/settings.md"

INTRODUCTION = """# Settings

<!-- Written by docs/make_settings.py from stream_ser/daemon/settings.py; edit those. -->

Each setting of `stream-ser listen` can be given in three places; the first that has it is used:

1. as an option, `--hop 0.2` (underscores become dashes: `--token-file`),
2. as an environment variable, `STREAM_SER_HOP=0.2` (a list has commas),
3. in `~/.config/stream-ser/config.toml`, `hop = 0.2`.

`stream-ser config show` prints what is in effect and where it comes from. An unknown name or a value out of range is refused.

| setting | default | allowed | meaning |
|---|---|---|---|
"""

CLOSING = """
`realtime` is given as `--realtime` or `--fast`. While the daemon runs, `device` and `channel` are read again on SIGHUP
(`systemctl --user reload stream-ser`); other settings are applied at the next start.
"""


def page() -> str:
    """The whole page."""
    rows = [f"| `{one.name}` | {_shown(one.default)} | {one.allowed} | {one.meaning} |" for one in describe()]
    return INTRODUCTION + "\n".join(rows) + "\n" + CLOSING


def _shown(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
