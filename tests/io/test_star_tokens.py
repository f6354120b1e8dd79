"""Tokens of a line against the grammar written as one pattern, which is slow on open quotes."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.io.star_tokens import tokens_of

# STAR (Hall, J. Chem. Inf. Comput. Sci. 31, 326, 1991): a quote ends a value before a blank only.
GRAMMAR = re.compile(
    r"""'(?:[^']|'(?=\S))*'(?=\s|$) | "(?:[^"]|"(?=\S))*"(?=\s|$) | \S+""", re.VERBOSE
)


@given(line=st.text(st.sampled_from("ab'\"# \t_"), max_size=20))
@settings(deadline=None, max_examples=500, derandomize=True)
def test_tokens_are_those_of_the_grammar(line: str) -> None:
    expected = GRAMMAR.findall(line)
    comment = next((i for i, token in enumerate(expected) if token.startswith("#")), None)
    assert tokens_of(line) == expected[:comment]


def test_quotes_are_kept_and_comments_are_not() -> None:
    assert tokens_of("1 'a b' \"it's\" o'neil '' x # rest 'of it'") == [
        "1",
        "'a b'",
        '"it\'s"',
        "o'neil",
        "''",
        "x",
    ]
