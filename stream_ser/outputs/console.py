"""Shows live labels in a terminal: one line an utterance, redrawn while it lasts; plain lines where there is no terminal."""

from __future__ import annotations

from msgspec import UNSET
from rich.console import Console
from rich.live import Live
from rich.text import Text

from stream_ser import events, protocol
from stream_ser.audio.sources.source import SourceState

COLOURS = {
    "neutral": "white",
    "calm": "cyan",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgust": "green",
    "surprised": "bright_yellow",
}
_BAR_WIDTH = 24


class LabelView:
    """Prints the messages of a daemon. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._label = ""

    def __enter__(self) -> LabelView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, message: protocol.ServerMessage) -> None:
        """Show one message."""
        match message:
            case protocol.Emotion(is_final=True):
                self._print(_line(message))
            case protocol.Emotion():
                if self._console.is_terminal:
                    self._live.update(_line(message), refresh=True)
                elif message.label != self._label:
                    self._print(_line(message))
                self._label = message.label
            case protocol.SpeechEnd():
                self._label = ""
                self._live.update(Text(f"{message.end:8.1f} s    {events.NO_SPEECH}", "dim"), refresh=True)
                if not self._console.is_terminal:
                    self._print(Text(f"{message.end:8.1f} s    {events.NO_SPEECH}"))
            case protocol.Gap():
                lost = f"{message.messages} messages" if message.seconds is UNSET else f"{message.seconds:.1f} s of audio"
                self._print(Text(f"           lost {lost}: {message.reason}", "yellow"))
            case protocol.Status(state=SourceState.LOST):
                self._print(Text(f"           source lost: {message.reason}; waiting for it", "yellow"))
            case protocol.Status(state=SourceState.RESTORED):
                self._print(Text("           the source is back", "green"))
            case protocol.Error():
                self._print(Text(f"           error {message.code}: {message.message}", "red"))
            case _:
                pass

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def _line(message: protocol.Emotion) -> Text:
    """E.g. ``12.3 s  = angry      71 % ################          then happy 12 %``."""
    ranked = sorted(message.probabilities.items(), key=lambda item: -item[1])
    first, second = ranked[0], ranked[1]
    other = second if message.label == first[0] else first
    filled = round(message.confidence * _BAR_WIDTH)
    line = Text(f"{message.end:8.1f} s  {'=' if message.is_final else '~'} ")
    line.append(f"{message.label:<10}", f"bold {COLOURS.get(message.label, 'dim')}")
    line.append(f"{message.confidence:5.0%} ")
    line.append("█" * filled, COLOURS.get(message.label, "dim"))
    line.append("░" * (_BAR_WIDTH - filled), "dim")
    line.append(f"  {other[0]} {other[1]:.0%}", "dim")
    return line
