#!/usr/bin/env bash
# msgspec: the decoder refuses JSON that the schema it generates for the same type accepts
#
# Package    msgspec 0.22.0 (judged by jsonschema 4.26.0)
# Upstream   jcrist/msgspec, msgspec.json.decode and msgspec.json.schema
# Expected   A schema that is generated from a type describes what is decoded as that type: who checks a message against it is
#            accepted. For JSON Schema (2020-12, 6.1.1) 48000.0 and 4.8e4 are integers, being numbers without a fraction.
# Happens    The schema of an int field says "integer", and the decoder refuses both spellings of one. With strict=False it
#            takes them, and then also takes "48000", a string, which the schema refuses. No setting agrees with the schema.
# Seen       2026-11:
#              48000    schema True   strict True   strict=False True
#              48000.0  schema True   strict False  strict=False True
#              4.8e4    schema True   strict False  strict=False True
#              "48000"  schema False  strict False  strict=False True
# For us     A sender that keeps its sample rate as a float writes 48000.0, and the schema of the protocol, which is generated,
#            tells it that it may. The protocol has to take it, or to say that it does not.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'msgspec==0.22.0' 'jsonschema==4.26.0'
"$dir/venv/bin/python" - <<'PY'
import json
import sys

import jsonschema
import msgspec


class Format(msgspec.Struct):
    sample_rate: int


def decodes(message: bytes, strict: bool) -> bool:
    try:
        return msgspec.json.decode(message, type=Format, strict=strict).sample_rate == 48_000
    except msgspec.ValidationError:
        return False


schema = jsonschema.Draft202012Validator(msgspec.json.schema(Format))
seen = {}
for number in ("48000", "48000.0", "4.8e4", '"48000"'):
    message = f'{{"sample_rate": {number}}}'.encode()
    seen[number] = schema.is_valid(json.loads(message)), decodes(message, True), decodes(message, False)
    print(f"{number:8} schema {seen[number][0]!s:5}  strict {seen[number][1]!s:5}  strict=False {seen[number][2]}")
expected = {
    "48000": (True, True, True), "48000.0": (True, False, True), "4.8e4": (True, False, True), '"48000"': (False, False, True),
}
if seen != expected:
    sys.exit(f"changed: (schema, strict, strict=False) are now {seen}")
PY
