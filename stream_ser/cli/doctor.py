"""``stream-ser doctor``."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check everything that listening needs; exit code 1 if it would fail."""
    import msgspec
    from rich.console import Console

    from stream_ser.daemon.doctor import diagnose
    from stream_ser.daemon.settings import load_settings

    findings = diagnose(load_settings({}))
    ok = all(finding.ok for finding in findings)
    if json:
        print(msgspec.json.format(msgspec.json.encode({"ok": ok, "findings": findings})).decode())
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print("[green]ok  [/]" if finding.ok else "[red]FAIL[/]", f"[bold]{finding.name}[/]")
            for detail in finding.details:
                console.print(f"       {detail}", markup=False)
    raise typer.Exit(0 if ok else 1)
