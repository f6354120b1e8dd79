"""The two errors that reach a user as a sentence rather than a traceback."""


class InputError(ValueError):
    """Wrong input. The message names what is wrong, where it is and how to mend it."""


class OutputError(RuntimeError):
    """A result could not be written. The message says what is safe and how to go on."""
