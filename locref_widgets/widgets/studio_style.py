"""The mask studio's own styles, beside those that all widgets share."""

import ipywidgets as widgets

_STYLE = """<style>
.locref-studio { max-width: 1240px; }
.locref-light { display: grid; grid-template-columns: 1.4em 6.5em minmax(0, 1fr); gap: 0 8px;
  align-items: baseline; padding: 2px 0; border-top: 1px solid var(--jp-border-color2); }
.locref-light-warning { color: var(--jp-warn-color0, #b26a00); }
.locref-recipe { margin: 4px 0; padding-left: 2em; max-height: 240px; overflow: auto; }
.locref-undone { color: var(--jp-ui-font-color2); }
.locref-studio .widget-tab > .widget-tab-contents { padding: 8px 10px; overflow: visible; }
.locref-studio .widget-toggle-buttons { display: flex; align-items: center; height: auto; }
.locref-studio .bqplot .axislabel { fill: var(--jp-ui-font-color1) !important; }
.locref-studio .bqplot .axis text { fill: var(--jp-ui-font-color1); }
.locref-studio .widget-toggle-buttons > .widget-label { text-align: right;
  margin-right: 8px; }
.locref-studio .jupyter-button { border: 1px solid var(--jp-border-color1); border-radius: 3px; }
.locref-studio .jupyter-button.mod-primary { border-color: transparent; }
.locref-studio .jupyter-button:disabled { cursor: default; opacity: .5; }
.locref-studio .widget-toggle-button.mod-active { background: var(--jp-brand-color1);
  border-color: var(--jp-brand-color1); color: var(--jp-ui-inverse-font-color1, #fff); }
</style>"""


def studio_style() -> widgets.HTML:
    """Return the style sheet as a widget that takes no room."""
    return widgets.HTML(_STYLE, layout=widgets.Layout(height="0", margin="0", overflow="hidden"))
