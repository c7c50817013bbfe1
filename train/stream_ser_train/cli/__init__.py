"""The training commands, one module a command: between the command line and the work."""
