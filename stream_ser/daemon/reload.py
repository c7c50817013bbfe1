"""Settings that change while the daemon runs, on SIGHUP."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from stream_ser import logs
from stream_ser.audio.sources.microphone import Microphone
from stream_ser.audio.sources.source import Source
from stream_ser.daemon.settings import NAMES, Settings
from stream_ser.errors import UserError

RELOADABLE = ("device", "channel")
"""Settings of a microphone that apply at once; the others need a restart."""


def reload(current: Settings, load: Callable[[], Settings], source: Source) -> Settings:
    """Load the settings anew and apply what can be applied to ``source``; return those now in effect.

    A wrong setting changes nothing and is logged.
    """
    try:
        loaded = load()
    except UserError as error:
        logs.error("reload_refused", reason=str(error))
        return current
    changed = [name for name in NAMES if getattr(loaded, name) != getattr(current, name)]
    applied = [name for name in changed if name in RELOADABLE] if isinstance(source, Microphone) else []
    if applied and isinstance(source, Microphone):
        source.change(loaded.device, loaded.channel)
    needs_restart = [name for name in changed if name not in applied]
    logs.info("reloaded", applied=",".join(applied), needs_restart=",".join(needs_restart))
    return replace(current, **{name: getattr(loaded, name) for name in applied})
