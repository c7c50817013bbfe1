"""``python -m stream_ser``: the same as the command ``stream-ser``."""

from stream_ser.cli.app import main

if __name__ == "__main__":
    main()
