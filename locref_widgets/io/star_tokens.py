"""Taking a line of a STAR file apart into tokens, in a time that grows with its length."""

import re

_OPENING = re.compile(r"(?<!\S)['\"]")
_CLOSING = {"'": re.compile(r"'(?!\S)"), '"': re.compile(r'"(?!\S)')}
_NEEDS_CARE = "'\"#"


def needs_care(text: str) -> bool:
    """Whether there may be quotes or comments, so that blanks alone do not part the tokens."""
    return any(sign in text for sign in _NEEDS_CARE)


def tokens_of(line: str) -> list[str]:
    """Split a line into tokens up to a comment, quoted ones with their quotes."""
    if not needs_care(line):
        return line.split()
    tokens = _split_at_quotes(line)
    for i, token in enumerate(tokens):
        if token.startswith("#"):
            return tokens[:i]
    return tokens


def _split_at_quotes(line: str) -> list[str]:
    """Split a line; a quote opens after a blank and is closed by the next one before a blank."""
    tokens: list[str] = []
    done = at = 0
    never_closed = ""
    while opening := _OPENING.search(line, at):
        start, quote = opening.start(), opening.group()
        closing = None if quote in never_closed else _CLOSING[quote].search(line, start + 1)
        if closing is None:
            # Asked once only, so that the time grows with the length and not with its square.
            never_closed += quote
            at = start + 1
        else:
            tokens += [*line[done:start].split(), line[start : closing.end()]]
            done = at = closing.end()
    return tokens + line[done:].split()
