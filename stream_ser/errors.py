"""The one kind of error that a user can meet and mend."""


class UserError(Exception):
    """Says in one line what was wrong, the value, and what to do next. The command line prints it and exits with 1."""
