#!/usr/bin/env bash
# soxr: a resampled live stream comes in bursts, and the telephone's rate waits longest
#
# Package    soxr 0.5.0.post1 (with the libsoxr that its wheel brings)
# Upstream   dofuuz/python-soxr, class ResampleStream; libsoxr filters by FFT, a block at a time
# Expected   ResampleStream is for live sound: after the filter's delay (milliseconds), 10 ms in give 10 ms out. Doubling the
#            rate is the easy case, and the lower the quality, the shorter the wait.
# Happens    Most calls give nothing, then one gives all at once. From 8 kHz at "HQ" it is 104 ms of sound in one piece, three
#            times the wait of 48 kHz, and there "MQ" waits longer than "HQ" and "VHQ". Only "QQ" gives a block for a block.
# Seen       2026-11, blocks of 10 ms, to 16 kHz; lag is the sound given less the sound returned:
#                8000 Hz QQ   calls without output   0%, largest piece  160, largest lag   0.3 ms
#                8000 Hz LQ   calls without output  83%, largest piece  940, largest lag  61.3 ms
#                8000 Hz MQ   calls without output  91%, largest piece 1732, largest lag 118.0 ms
#                8000 Hz HQ   calls without output  90%, largest piece 1660, largest lag 115.0 ms
#                8000 Hz VHQ  calls without output  90%, largest piece 1516, largest lag 111.3 ms
#               44100 Hz QQ   calls without output   0%, largest piece  160, largest lag   0.0 ms
#               44100 Hz LQ   calls without output  51%, largest piece  327, largest lag  21.7 ms
#               44100 Hz MQ   calls without output  72%, largest piece  575, largest lag  41.1 ms
#               44100 Hz HQ   calls without output  70%, largest piece  540, largest lag  39.6 ms
#               44100 Hz VHQ  calls without output  87%, largest piece 1211, largest lag  84.2 ms
#               48000 Hz QQ   calls without output   0%, largest piece  160, largest lag   0.0 ms
#               48000 Hz LQ   calls without output  47%, largest piece  300, largest lag  20.0 ms
#               48000 Hz MQ   calls without output  70%, largest piece  526, largest lag  37.6 ms
#               48000 Hz HQ   calls without output  68%, largest piece  490, largest lag  36.6 ms
#               48000 Hz VHQ  calls without output  86%, largest piece 1100, largest lag  76.2 ms
# For us     A stream's latency is that of its source rate, so it is measured at the rates of real devices and not at 16 kHz
#            alone, and nothing counts on one block out for each block in.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6' 'soxr==0.5.0.post1'
"$dir/venv/bin/python" - <<'PY'
import sys

import numpy as np
import soxr

TARGET_HZ, BLOCKS, SETTLED = 16_000, 300, 50
rng = np.random.default_rng(0)
seen = {}
for rate_hz in (8_000, 44_100, 48_000):
    for quality in ("QQ", "LQ", "MQ", "HQ", "VHQ"):
        stream = soxr.ResampleStream(rate_hz, TARGET_HZ, 1, dtype="float32", quality=quality)
        given, returned, lags_ms, pieces = 0, 0, [], []
        for _ in range(BLOCKS):
            block = 0.1 * rng.standard_normal(rate_hz // 100).astype(np.float32)
            given += len(block)
            pieces.append(len(stream.resample_chunk(block)))
            returned += pieces[-1]
            lags_ms.append(1000 * (given / rate_hz - returned / TARGET_HZ))
        empty = np.mean([piece == 0 for piece in pieces[SETTLED:]])
        lag = max(lags_ms[SETTLED:])
        seen[rate_hz, quality] = empty, lag
        sizes = f"calls without output {empty:4.0%}, largest piece {max(pieces):4}"
        print(f"{rate_hz:6} Hz {quality:3}  {sizes}, largest lag {lag:5.1f} ms")
bursts = all(seen[rate, "HQ"][0] > 0.5 for rate in (8_000, 44_100, 48_000)) and seen[48_000, "QQ"][0] == 0
upside_down = seen[8_000, "HQ"][1] > 2 * seen[48_000, "HQ"][1] and seen[8_000, "MQ"][1] > seen[8_000, "VHQ"][1]
if not (bursts and upside_down):
    sys.exit("changed: output no longer comes in bursts, or no longer waits longest at 8 kHz")
PY
