"""Altered copies of clips and of frames."""
