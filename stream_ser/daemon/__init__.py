"""Wiring and life of the process: from settings to a clean end."""
