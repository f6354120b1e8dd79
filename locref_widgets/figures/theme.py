"""Colours, type and the way from a matplotlib figure to an SVG that follows the reader's theme.

Figures are drawn with the light theme's colours. `to_svg` exchanges those for CSS variables, so
that one drawing serves a light and a dark page. Series differ by dash as well as by colour, and
the colours keep apart for colour-blind readers (after Okabe and Ito).
"""

import io
import re
from html import escape
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1d2733", "#5d6978", "#dde2e8"
EMPTY, HATCH = "#e4e7eb", "#bcc3cc"
BLUE, ORANGE, GREEN, PURPLE, SKY, GREY = (
    "#0b66b2",
    "#d2691b",
    "#0a8f6c",
    "#a8478f",
    "#3c9fd6",
    "#7d8794",
)

_ROLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    EMPTY: "empty",
    HATCH: "hatch",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    SKY: "sky",
    GREY: "grey",
}
_DARK = {
    INK: "#e8ecf1",
    MUTED: "#9ba7b5",
    GRID: "#2f3945",
    EMPTY: "#2a333e",
    HATCH: "#46525f",
    BLUE: "#62b0f4",
    ORANGE: "#f29a52",
    GREEN: "#3fc79f",
    PURPLE: "#dd8fc8",
    SKY: "#8fd0f5",
    GREY: "#8e99a6",
}

FONT_FAMILY = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif'
# A point of the figure is a pixel of the page at the width the report is laid out for.
_POINTS_PER_INCH = 72
# Images inside a figure are drawn at twice the page's pixels, for screens with dense pixels.
_IMAGE_DPI = 2 * _POINTS_PER_INCH


def css_variables(dark: bool) -> str:
    """CSS declarations of the figures' colours for the light or the dark theme."""
    return " ".join(
        f"--fig-{role}: {_DARK[light] if dark else light};" for light, role in _ROLES.items()
    )


def new_figure(width_px: int, height_px: int) -> Figure:
    """Create an empty, transparent figure of that size that belongs to no global state."""
    figure = Figure(
        figsize=(width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH),
        dpi=_POINTS_PER_INCH,
        facecolor="none",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    return figure


def bare_figure(width_px: int, height_px: int) -> Figure:
    """Create such a figure whose places are given by hand.

    The search for a layout takes longer than all the drawing.
    """
    figure = Figure(
        figsize=(width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH),
        dpi=_POINTS_PER_INCH,
        facecolor="none",
    )
    FigureCanvasAgg(figure)
    return figure


def style_axes(
    axes: Axes, *, xlabel: str, ylabel: str, grid: Literal["x", "y", "both"] | None = "y"
) -> None:
    """Give axes quiet spines, labels in the page's ink and grid lines along ``grid``."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(colors=MUTED, labelsize=11, width=0.8, length=3.5)
    axes.set_xlabel(xlabel, color=INK, fontsize=12, labelpad=6)
    axes.set_ylabel(ylabel, color=INK, fontsize=12, labelpad=6)
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)


def to_svg(figure: Figure, key: str, description: str) -> str:
    """Render the figure as inline SVG in the page's colours and font.

    ``key`` makes the identifiers unique on a page with several figures; ``description`` is read
    out to those who do not see the figure.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", dpi=_IMAGE_DPI, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Pictures that are left as they are would show their pixels.
    text = text.replace("image-rendering:crisp-edges;image-rendering:pixelated", "")
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'\bid="', f'id="{key}-', text)
    text = re.sub(r'href="#', f'href="#{key}-', text)
    text = text.replace("url(#", f"url(#{key}-")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", escape(FONT_FAMILY, quote=True), text)
    for light, role in _ROLES.items():
        text = text.replace(light, f"var(--fig-{role})")
    label = escape(description, quote=True)
    # Somewhat larger than laid out at most: text stays the size of the page's.
    widest = round(1.15 * _POINTS_PER_INCH * figure.get_figwidth())
    box = re.search(r'viewBox="[^"]*"', text)
    view = "" if box is None else box.group()
    head = (
        f'<svg class="figure" style="max-width: {widest}px" {view} role="img" '
        f'aria-label="{label}"><title>{label}</title>'
    )
    return head + text[text.index(">") + 1 :]
