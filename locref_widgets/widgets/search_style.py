"""Colours, words and style sheet of the search explorer."""

from locref_widgets.engine.search_trace import CROWDED_OUT, DROPPED, KEPT, OUTSIDE

# Okabe and Ito's blue and vermilion, and greys: told apart by eyes that see few colours.
FATE_COLOURS = {KEPT: "#2b83c4", CROWDED_OUT: "#d55e00", DROPPED: "#9aa0a6", OUTSIDE: "none"}
FATE_NAMES = {
    KEPT: "kept",
    CROWDED_OUT: "no room in the lists",
    DROPPED: "dropped by the bound",
    OUTSIDE: "outside the extents",
}
FATE_MEANING = {
    KEPT: "halved for the next level; at the last level, part of the posterior",
    CROWDED_OUT: "above the bound, but the lists were full: the reason why a particle is not"
    " certified",
    DROPPED: "scored so far below the best that the true pose cannot be in it",
    OUTSIDE: "beyond the extents: not scored",
}
TRUTH_COLOUR = "#cc79a7"
# From within half a unit of log-likelihood of the optimum (1 sigma) to beyond 4 sigma.
BANDS = ((0.5, "#fde725"), (2.0, "#5ec962"), (4.5, "#21918c"), (8.0, "#3b528b"), (1e9, "#440154"))

STYLE = """<style>
.locref-search { color: var(--jp-ui-font-color1); padding: 4px; min-width: 0; }
.locref-search .widget-html-content { line-height: 1.5; white-space: normal; min-width: 0; }
.locref-search > .widget-html, .locref-search .locref-wide { height: auto; width: auto;
  overflow: visible; }
.locref-search h4 { margin: 10px 0 2px; font-size: var(--jp-ui-font-size1); font-weight: 600; }
.locref-search p { margin: 2px 0; max-width: 80em; }
.locref-search svg { display: block; width: 100%; height: auto; }
.locref-search svg text { fill: var(--jp-ui-font-color1); font-size: 12px;
  font-family: var(--jp-ui-font-family); }
.locref-search .locref-frame { stroke: var(--jp-ui-font-color2); fill: none; }
.locref-search .locref-faint { stroke: var(--jp-border-color2); fill: none; }
.locref-search .locref-rim { stroke: var(--jp-ui-font-color2); fill: none; stroke-dasharray: 4 3; }
.locref-search .locref-best { stroke: var(--jp-ui-font-color0, currentColor); fill: none;
  stroke-width: 2.5; }
.locref-search .locref-truth { stroke: #cc79a7; fill: none; stroke-width: 3; }
.locref-search .locref-bound { stroke: var(--jp-ui-font-color0, currentColor); stroke-width: 1.5; }
.locref-search table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.locref-search th, .locref-search td { padding: 2px 7px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--jp-border-color2); }
.locref-search tr.locref-now { background: var(--jp-layout-color2); font-weight: 600; }
.locref-search .locref-scroll { overflow-x: auto; }
.locref-search .locref-pair { display: grid; gap: 8px 20px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); max-width: 1200px; }
.locref-search .locref-triple { display: grid; gap: 8px 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 170px), 1fr)); max-width: 780px; }
.locref-search figure { margin: 0; min-width: 0; }
.locref-search .locref-triple img { width: 100%; image-rendering: pixelated; display: block;
  box-sizing: border-box; border: 1px solid var(--jp-border-color1); }
.locref-search figcaption { color: var(--jp-ui-font-color2); }
.locref-search .locref-swatch { margin-right: 4px; }
.locref-search .locref-steps { flex-flow: row wrap; gap: 4px 8px; align-items: center; }
.locref-search button:focus-visible { outline: 2px solid var(--jp-brand-color1); }
</style>"""
