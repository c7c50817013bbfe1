"""``python -m stream_ser``: the same as the command ``stream-ser``."""

from stream_ser.cli.app import main

main()
