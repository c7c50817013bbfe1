"""Makes docs/demo/listen.svg: a terminal in the middle of `stream-ser listen --input demo`.

Run from the root of the repository: python docs/demo/make_picture.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("listen.svg")
COMMAND = "stream-ser listen --input demo"
COLUMNS = 92
ERASE_LINE = "\x1b[2K"
"""What rich sends before it draws a line anew."""


def screen(output: str) -> str:
    """The lines that a terminal shows when the last interim label has just been drawn, with their colours."""
    interim = output.rindex("  ~ ", 0, output.rindex("  = "))
    drawn = re.sub(r"\x1b\[\?25[lh]", "", output[: output.index("\r", interim)])
    return "\n".join(line.rsplit(ERASE_LINE, 1)[-1].strip("\r") for line in drawn.split("\n"))


def main() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "stream_ser", *COMMAND.split()[1:], "--fast"],
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        check=True,
        capture_output=True,
    ).stdout.decode()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), COMMAND))
    console.print(Text.from_ansi(screen(output)))
    picture = console.export_svg(title="stream-ser")
    # The viewer's own monospace font, so that showing the picture fetches nothing.
    PICTURE.write_text(
        re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    )
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
