"""Colours and style sheet of the widgets.

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
    "user mask randomised": "#e69f00",
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
.locref-colour-bar > div {{ height: 12px; border: 1px solid var(--jp-border-color0); }}
.locref-colour-bar > p {{ position: relative; height: 1.5em; margin: 0; }}
.locref-colour-bar > p > span {{ position: absolute; transform: translateX(-50%);
  white-space: nowrap; }}
/* bqplot gives a cell without a number no colour at all, which SVG then fills with black. */
.locref-heatmap .heatmapcell, .locref-heatmap .heatmapcell rect {{ fill: {EMPTY_COLOUR}; }}
.locref-pictured .heatmapcell {{ fill: transparent; }}
/* It also joins an empty text to each cell: thousands of boxes to lay out, nothing to see. */
.locref-heatmap .heatmapcell_label {{ display: none; }}
.locref-dashboard .bqplot .axislabel {{ fill: var(--jp-ui-font-color1) !important; }}
.locref-dashboard .bqplot .axis text {{ fill: var(--jp-ui-font-color1); }}
.bqplot_tooltip_div, .bqplot_tooltip_div * {{ color: var(--jp-ui-font-color1) !important; }}
.locref-dashboard button:focus-visible {{ outline: 2px solid var(--jp-brand-color1); }}
.locref-table {{ color: var(--jp-ui-font-color1); padding: 4px; min-width: 0; }}
.locref-table .widget-html-content {{ line-height: 1.5; white-space: normal; }}
.locref-table > .widget-html {{ overflow: hidden; height: auto; }}
.locref-table > .widget-html > .widget-html-content {{ flex: 1 1 0; min-width: 0; }}
.locref-table > .widget-html > .widget-html-content > p {{ margin: 0; }}
.locref-facts p {{ margin: 0 0 4px; }}
.locref-facts dl {{ display: grid; gap: 4px 20px; margin: 0 0 8px;
  grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); }}
/* Voila's style sheet puts terms and definitions side by side. */
.locref-facts dl dt, .locref-facts dl dd {{ display: block; float: none; width: auto; margin: 0;
  padding: 0; font-weight: normal; line-height: 1.5; }}
.locref-facts dl dt {{ color: var(--jp-ui-font-color2); }}
.locref-facts dl dd {{ font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
.locref-plots {{ display: grid; gap: 8px 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr)); max-width: 1400px; }}
.locref-plots figure, .locref-images figure {{ margin: 0; min-width: 0; }}
.locref-plots figcaption {{ font-weight: 600; }}
.locref-plot {{ width: 100%; max-width: 420px; display: block; }}
.locref-plot text {{ fill: var(--jp-ui-font-color1); font-size: 12px;
  font-family: var(--jp-ui-font-family); }}
.locref-plot .locref-axis {{ stroke: var(--jp-ui-font-color2); fill: none; }}
.locref-rows {{ overflow: auto; max-height: 480px; border: 1px solid var(--jp-border-color1); }}
.locref-rows:focus-visible {{ outline: 2px solid var(--jp-brand-color1); }}
.locref-rows table {{ border-collapse: collapse; font-size: var(--jp-code-font-size, 13px);
  font-variant-numeric: tabular-nums; white-space: nowrap; }}
.locref-rows th, .locref-rows td {{ padding: 2px 10px; text-align: right;
  border-bottom: 1px solid var(--jp-border-color2); }}
.locref-rows thead th {{ position: sticky; top: 0; background: var(--jp-layout-color2); }}
.locref-rows tbody tr:hover {{ background: var(--jp-layout-color2); }}
.locref-form {{ color: var(--jp-ui-font-color1); padding: 4px; min-width: 0; }}
.locref-form .widget-html-content {{ line-height: 1.5; white-space: normal; min-width: 0; }}
.locref-form h4 {{ margin: 4px 0; font-size: var(--jp-ui-font-size1); font-weight: 600; }}
.locref-groups {{ gap: 8px 24px; min-width: 0; }}
.locref-group {{ border-top: 1px solid var(--jp-border-color2); }}
.locref-field > .widget-html {{ height: auto; margin: 0; }}
.locref-field .locref-unit {{ display: block; color: var(--jp-ui-font-color2); padding-left: 6px;
  line-height: 1.25; }}
.locref-field .locref-error, .locref-field .locref-warning {{ margin: 0 0 4px 8px;
  max-width: 60em; }}
.locref-invalid input, .locref-invalid select {{
  outline: 2px solid var(--jp-error-color1, #c62828) !important; }}
.locref-form pre.locref-export {{ margin: 4px 0; padding: 8px; overflow: auto; max-height: 260px;
  background: var(--jp-layout-color2); color: var(--jp-ui-font-color1);
  font-family: var(--jp-code-font-family, monospace); line-height: 1.4; user-select: all; }}
.locref-form button:focus-visible, .locref-export:focus-visible {{
  outline: 2px solid var(--jp-brand-color1); }}
/* nglview writes the atom's name on white, in the theme's colour. */
.locref-keys .ui-resizable div[style*="background-color: white"] {{ color: #222; }}
.locref-images {{ display: grid; gap: 8px;
  grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); }}
.locref-images img {{ width: 100%; image-rendering: auto; display: block; }}
.locref-images figcaption {{ text-align: center; color: var(--jp-ui-font-color2); }}
</style>"""


def style_sheet() -> widgets.HTML:
    """Return the style sheet as a widget that takes no room."""
    return widgets.HTML(STYLE, layout=widgets.Layout(height="0", margin="0", overflow="hidden"))


def curve_colour(name: str, position: int) -> str:
    """Colour of the FSC curve `name`; unknown names get one by their position."""
    return CURVE_COLOURS.get(name, OTHER_CURVE_COLOURS[position % len(OTHER_CURVE_COLOURS)])
