"""The report as a page: style sheet, cards and tables. No script, nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from locref_widgets.figures.theme import FONT_FAMILY, css_variables


def page(title: str, body: str) -> str:
    """Build a whole HTML document around ``body`` (already HTML)."""
    style = (files("locref_widgets.figures") / "report.css").read_text(encoding="utf-8")
    style = style.replace("@@LIGHT@@", css_variables(dark=False))
    style = style.replace("@@DARK@@", css_variables(dark=True)).replace("@@FONT@@", FONT_FAMILY)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def figure_card(title: str, explanation: str, svg: str, span: int) -> str:
    """Build a card with a title, a sentence that says how to read the figure, and the figure."""
    return (
        f'<section class="card span-{span}"><h3>{escape(title)}</h3>'
        f'<p class="explain">{escape(explanation)}</p>{svg}</section>'
    )


def text_card(title: str, text: str, caption: str, span: int) -> str:
    """Build a card with a title, a sentence or two, and in smaller print what they rest on."""
    return (
        f'<section class="card span-{span}"><h3>{escape(title)}</h3>'
        f'<p class="text">{escape(text)}</p><p class="caption">{escape(caption)}</p></section>'
    )


def number_card(label: str, value: str, caption: str, *, main: bool = False) -> str:
    """Build a card with one large figure; ``value`` is HTML, the others are text."""
    kind = "card span-3 main" if main else "card span-3"
    return (
        f'<div class="{kind}"><div class="label">{escape(label)}</div>'
        f'<div class="value">{value}</div><p class="caption">{escape(caption)}</p></div>'
    )


def value_with_unit(value: str, unit: str, before: str | None = None) -> str:
    """HTML of a large figure: ``before`` → ``value`` ``unit``."""
    start = "" if before is None else f'<span class="from">{escape(before)} →</span> '
    return f'{start}{escape(value)} <span class="unit">{escape(unit)}</span>'


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    classes: Sequence[str],
    *,
    last_stands_out: bool = False,
) -> str:
    """Build a table; cells are HTML, the first of each row is its heading.

    ``classes`` gives each column's CSS class ("" for none).
    """
    heads = "".join(
        f'<th scope="col" class="{name}">{escape(text)}</th>'
        for text, name in zip(head, classes, strict=True)
    )
    listed = list(rows)
    lines = []
    for number, row in enumerate(listed):
        first, *others = row
        cells = "".join(
            f'<td class="{name}">{cell}</td>'
            for cell, name in zip(others, classes[1:], strict=True)
        )
        mark = ' class="last"' if last_stands_out and number == len(listed) - 1 else ""
        lines.append(f'<tr{mark}><th scope="row" class="{classes[0]}">{first}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
