"""Sources of live audio, which fill a ring: microphones and files."""
