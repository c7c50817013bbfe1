"""Outputs on this machine: the terminal, and files for research."""
