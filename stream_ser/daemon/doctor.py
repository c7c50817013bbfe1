"""Checks everything that listening needs."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stream_ser.audio.devices import Device, find_device, input_devices, supported_rates
from stream_ser.daemon.app import open_source
from stream_ser.daemon.settings import Settings
from stream_ser.errors import UserError
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, LIVE, load_bundle
from stream_ser.models.classifier import load_classifier
from stream_ser.models.providers import CPU
from stream_ser.models.runtime import installed_distributions, load_runtime
from stream_ser.server.auth import read_token, tls

_SOUND_VARIABLES = ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR")


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check; where it is not ``ok``, listening with these settings would fail."""

    name: str
    ok: bool
    details: tuple[str, ...]


def diagnose(settings: Settings) -> list[Finding]:
    """Run every check; nothing stays open."""
    checks: list[tuple[str, Callable[[Settings], list[str]]]] = [
        ("ONNX Runtime", _runtime),
        ("provider", _provider),
        ("CUDA libraries", lambda _: _cuda_libraries()),
        ("models", _models),
        ("sound server", lambda _: sound_server(os.environ)),
        ("source", _source),
        ("port", _port),
        ("access", _access),
    ]
    findings = []
    for name, check in checks:
        try:
            findings.append(Finding(name, True, tuple(check(settings))))
        except UserError as error:
            findings.append(Finding(name, False, (str(error),)))
    return findings


def _access(settings: Settings) -> list[str]:
    token = read_token(settings.token_file, settings.host)
    secured = tls(settings.tls_cert, settings.tls_key) is not None
    return [
        f"clients must show the token in {settings.token_file}" if token else "anyone on this machine may connect",
        "TLS" if secured else "no TLS",
    ]


def _runtime(_: Settings) -> list[str]:
    load_runtime()
    return [f"{name} {version}" for name, version in installed_distributions().items()]


def sound_server(environment: Mapping[str, str]) -> list[str]:
    """Variables and sockets of PulseAudio and PipeWire; a service without a session has neither."""
    lines = [f"{name}={environment[name]}" for name in _SOUND_VARIABLES if environment.get(name)]
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        for what, place in (("PulseAudio", "pulse/native"), ("PipeWire", "pipewire-0")):
            if (Path(runtime) / place).exists():
                lines.append(f"{what} has a socket there")
    return lines or ["none found; a user service has one, a system service has none"]


def _provider(settings: Settings) -> list[str]:
    classifier = load_classifier(settings.models, MfccSettings(), settings.provider, settings.window)
    return [f"{classifier.provider} ({classifier.reason})"]


def _cuda_libraries() -> list[str]:
    lines = []
    with contextlib.suppress(OSError):
        driver, version = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
        if driver.cuDriverGetVersion(ctypes.byref(version)) == 0:
            lines.append(f"NVIDIA driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}")
    if not lines:
        lines.append("no NVIDIA driver")
    installed = {one.name.lower(): one.version for one in importlib.metadata.distributions()}
    wheels = sorted(name for name in installed if name.startswith(("nvidia-cuda-runtime", "nvidia-cudnn")))
    return lines + [f"{name} {installed[name]}" for name in wheels]


def _models(settings: Settings) -> list[str]:
    folder = BUNDLED if settings.models is None else settings.models
    lines = []
    for name in LIVE:
        bundle = load_bundle(folder / f"{name}.onnx", MfccSettings(), [CPU])
        lines.append(f"{name}.onnx {bundle.metadata.version}, {len(bundle.metadata.labels)} labels")
    return lines


def _source(settings: Settings) -> list[str]:
    if settings.input is not None:
        return [f"file {open_source(settings).name}"]
    devices = input_devices()
    chosen = find_device(settings.device, devices)
    return [_describe(device, chosen) for device in devices]


def _describe(device: Device, chosen: Device) -> str:
    rates = ", ".join(f"{rate / 1000:g}" for rate in supported_rates(device)) or "none of the usual"
    mark = "-> " if device == chosen else ""
    return f"{mark}{device.number} {device.name} ({device.host_api}, {device.channels} channels; {rates} kHz)"


def _port(settings: Settings) -> list[str]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            raise UserError(
                f"{settings.host} port {settings.port} cannot be served on: {error.strerror};"
                " stop what holds it, perhaps another stream-ser, or choose another --port"
            ) from error
    return [f"{settings.host} port {settings.port} is free"]
