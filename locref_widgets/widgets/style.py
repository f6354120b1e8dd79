"""Colours and style sheet of the dashboard.

Every colour follows JupyterLab's theme, or is told apart on light and dark and by eyes that
see few colours.
"""

import ipywidgets as widgets

# Okabe and Ito's palette (Okabe & Ito 2008), in an order whose neighbours differ in lightness.
CURVE_COLOURS = {
    "no mask": "#999999",
    "spherical": "#56b4e9",
    "loose": "#a6761d",
    "tight": "#cc79a7",
    "dynamic mask": "#0072b2",
    "user mask": "#009e73",
    "user mask corrected": "#7fc97f",
    "dynamic mask randomised": "#e69f00",
    "dynamic mask corrected": "#d55e00",
}
# The corrections of masks other than the run's own are left to the report.
HIDDEN_CURVES = ("tight randomised", "tight corrected", "user mask randomised")
OTHER_CURVE_COLOURS = ("#cc79a7", "#f0e442", "#333333")
BAR_COLOUR = "#3b82c4"
LIMIT_COLOUR = "#d55e00"
EMPTY_COLOUR = "#9aa0a6"
# Nine steps of the map that bqplot calls viridis, for the colour bar.
VIRIDIS = (
    "#440154",
    "#472d7b",
    "#3b528b",
    "#2c728e",
    "#21918c",
    "#28ae80",
    "#5ec962",
    "#addc30",
    "#fde725",
)
# bqplot hangs its tooltips outside the dashboard, where only styles of their own reach them.
TOOLTIP_STYLE = {
    "opacity": 1,
    "background": "var(--jp-layout-color1)",
    "color": "var(--jp-ui-font-color1)",
    "border": "1px solid var(--jp-border-color1)",
}

STYLE = f"""<style>
.locref-dashboard {{ color: var(--jp-ui-font-color1); padding: 4px; }}
.locref-dashboard .widget-html-content {{ line-height: 1.5; white-space: normal; }}
.locref-status {{ display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }}
.locref-badge {{ border: 1px solid currentColor; border-radius: 12px; padding: 1px 10px;
  font-weight: 600; white-space: nowrap; }}
.locref-good {{ color: var(--jp-success-color0, #2e7d32); }}
.locref-bad {{ color: var(--jp-error-color0, #c62828); }}
.locref-going {{ color: var(--jp-info-color0, #1565c0); }}
.locref-quiet {{ color: var(--jp-ui-font-color1); }}
.locref-error {{ border-left: 4px solid var(--jp-error-color1, #c62828); padding: 4px 10px;
  background: var(--jp-layout-color2); }}
.locref-warning {{ border-left: 4px solid var(--jp-warn-color1, #e69f00); padding: 4px 10px;
  background: var(--jp-layout-color2); margin-bottom: 4px; }}
.locref-warning summary {{ cursor: pointer; }}
.locref-warning p {{ margin: 4px 0; }}
.locref-note {{ color: var(--jp-ui-font-color2); }}
.locref-panels {{ gap: 12px 16px; }}
.locref-swatch {{ display: inline-block; width: 0.8em; height: 0.8em; vertical-align: -0.05em;
  border: 1px solid var(--jp-border-color0); }}
.locref-line {{ display: inline-block; width: 1.4em; height: 0; vertical-align: 0.25em;
  border-top: 3px solid; }}
.locref-legend {{ display: flex; flex-wrap: wrap; gap: 0 14px; }}
.locref-colour-bar {{ margin: 0 30px 4px 64px; }}
.locref-colour-bar > div {{ height: 12px; border: 1px solid var(--jp-border-color0);
  background: linear-gradient(to right, {", ".join(VIRIDIS)}); }}
.locref-colour-bar > p {{ position: relative; height: 1.5em; margin: 0; }}
.locref-colour-bar > p > span {{ position: absolute; transform: translateX(-50%);
  white-space: nowrap; }}
/* bqplot gives a cell without a number no colour at all, which SVG then fills with black. */
.locref-heatmap .heatmapcell, .locref-heatmap .heatmapcell rect {{ fill: {EMPTY_COLOUR}; }}
.locref-dashboard .bqplot .axislabel {{ fill: var(--jp-ui-font-color1) !important; }}
.locref-dashboard .bqplot .axis text {{ fill: var(--jp-ui-font-color1); }}
.bqplot_tooltip_div, .bqplot_tooltip_div * {{ color: var(--jp-ui-font-color1) !important; }}
.locref-dashboard button:focus-visible {{ outline: 2px solid var(--jp-brand-color1); }}
</style>"""


def style_sheet() -> widgets.HTML:
    """Return the style sheet as a widget that takes no room."""
    return widgets.HTML(STYLE, layout=widgets.Layout(height="0", margin="0", overflow="hidden"))


def curve_colour(name: str, position: int) -> str:
    """Colour of the FSC curve `name`; unknown names get one by their position."""
    return CURVE_COLOURS.get(name, OTHER_CURVE_COLOURS[position % len(OTHER_CURVE_COLOURS)])
