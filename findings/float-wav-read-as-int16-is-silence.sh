#!/usr/bin/env bash
# soundfile: a float WAV file read as int16 is all zeros, while Vorbis and MP3 are scaled
#
# Package    soundfile 0.14.0 (with the libsndfile that its wheel brings)
# Upstream   bastibe/python-soundfile, read; libsndfile, SFC_SET_SCALE_FLOAT_INT_READ (off)
# Expected   read(file, dtype="int16") gives 16-bit samples, full scale at 32,767, whatever the file holds: it does for PCM of
#            any width, and for Ogg Vorbis and MP3, whose decoders give floats.
# Happens    Samples of a FLOAT or DOUBLE WAV file are only rounded, so that speech becomes 0, and full scale becomes 1. No
#            error, no warning, the right length.
# Seen       2026-11, a tone of peak 0.5:
#              WAV  PCM_24          peak as int16  16384  of 16000 samples
#              FLAC PCM_16          peak as int16  16384  of 16000 samples
#              OGG  VORBIS          peak as int16  16787  of 16000 samples
#              MP3  MPEG_LAYER_III  peak as int16  16925  of 16000 samples
#              WAV  FLOAT           peak as int16      0  of 16000 samples
#              WAV  DOUBLE          peak as int16      0  of 16000 samples
# For us     Whoever sends a file to the server should read it as float32 and declare f32le: with int16 a float file is heard as
#            a silent one. That goes for examples in the documents as well.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6' 'soundfile==0.14.0'
"$dir/venv/bin/python" - <<'PY'
import io
import sys

import numpy as np
import soundfile

tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
peaks = {}
for container, subtype in (
    ("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
):
    file = io.BytesIO()
    soundfile.write(file, tone, 16_000, format=container, subtype=subtype)
    file.seek(0)
    samples, _ = soundfile.read(file, dtype="int16")
    peaks[subtype] = int(np.abs(samples.astype(int)).max())
    print(f"{container:4} {subtype:14}  peak as int16 {peaks[subtype]:6}  of {len(samples)} samples")
scaled = all(peaks[name] > 15_000 for name in ("PCM_24", "PCM_16", "VORBIS", "MPEG_LAYER_III"))
if not scaled or peaks["FLOAT"] or peaks["DOUBLE"]:
    sys.exit(f"changed: the peaks are now {peaks}")
PY
