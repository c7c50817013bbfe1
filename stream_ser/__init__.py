"""Live speech emotion recognition: samples go in, events come out."""

__version__ = "0.1.0"
