"""Errors that a person is meant to read."""


class RostraError(Exception):
    """Something the user can mend. The message is one line: what is wrong, where, what to do.

    The command line prints the message without a traceback; anything else that reaches the top is a
    bug and keeps its traceback.
    """
