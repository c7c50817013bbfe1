"""``stream-ser devices``."""

from __future__ import annotations


def devices() -> None:
    """List the input devices."""
    from rich.console import Console
    from rich.table import Table

    from stream_ser.audio.devices import find_device, input_devices

    found = input_devices()
    find_device(None, found)
    table = Table("", "Name", "Host", "Channels", "Rate", box=None)
    for device in found:
        number = f"{device.number}{'*' if device.is_default else ''}"
        table.add_row(number, device.name, device.host_api, str(device.channels), f"{device.sample_rate} Hz")
    Console(emoji=False).print(table)  # a colon in a name is a colon
