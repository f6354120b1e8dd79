"""The dashboard's own styles, beside those that all widgets share."""

import ipywidgets as widgets

from locref_widgets.figures.theme import css_variables

_STYLE = f"""<style>
.locref-dashboard {{ max-width: 1320px; container-type: inline-size; }}
.locref-head {{ gap: 2px 16px; }}
.locref-bars {{ gap: 0 16px; }}
.locref-dashboard .widget-html {{ height: auto; }}
.locref-dashboard .widget-tab > .widget-tab-contents {{ padding: 10px 12px; overflow: visible; }}
.locref-dashboard .widget-tab > .lm-TabBar .lm-TabBar-tab {{ flex: 0 0 auto; max-width: none;
  min-width: 0; padding: 0 9px; }}
.locref-dashboard .widget-tab > .lm-TabBar .lm-TabBar-tabLabel {{ overflow: visible;
  flex: 0 0 auto; }}
/* A box that scrolls needs the focus; one with visible overflow would never get narrower. */
.locref-dashboard .widget-tab-contents .jupyter-widgets.widget-box {{ overflow: hidden; }}
.locref-dashboard .widget-tab-contents .widget-vbox > .widget-html > .widget-html-content {{
  flex: 1 1 0; min-width: 0; }}
.locref-dashboard .widget-toggle-buttons {{ display: flex; align-items: center; height: auto; }}
.locref-dashboard .jupyter-button:disabled {{ cursor: default; }}
.locref-look {{ gap: 2px 14px; border-top: 1px solid var(--jp-border-color2); padding-top: 4px; }}
.locref-figures {{ {css_variables(dark=False)} }}
[data-jp-theme-light="false"] .locref-figures {{ {css_variables(dark=True)} }}
.locref-figures svg.figure {{ width: 100%; height: auto; display: block; }}
.locref-figures figure svg.figure {{ max-width: 420px !important; }}
.locref-figures figure svg.figure text {{ font-size: 22px !important; }}
.locref-look {{ min-height: 34px; }}
.locref-dashboard pre.locref-log, .locref-dashboard pre.locref-export {{ margin: 4px 0;
  padding: 8px; overflow: auto; max-height: 360px; background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1); font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 13px); line-height: 1.4; }}
.locref-code {{ border-left: 4px solid var(--jp-brand-color1); padding: 2px 10px; }}
.locref-code button.locref-copy {{ display: inline-block; width: auto; margin-left: 8px; }}
.locref-line-of-code {{ user-select: all; color: var(--jp-ui-font-color1); }}
.locref-cells table {{ max-width: 760px; }}
.locref-wide > .widget-html-content {{ flex: 1 1 0; min-width: 0; }}
.locref-wide {{ overflow: hidden; }}
.locref-short .scroll {{ width: max-content; min-width: 100%; }}
.locref-rows.locref-short {{ max-height: none; margin-bottom: 10px; }}
.locref-rows table {{ color: var(--jp-ui-font-color1); }}
.locref-short p {{ margin: 6px 10px; }} .locref-short ul {{ margin: 6px 0; }}
.locref-heading {{ margin: 8px 0 4px; font-size: var(--jp-ui-font-size1); font-weight: 600; }}
.locref-one-scale {{ margin: 4px 24px 4px 24px; max-width: 480px; }}
.locref-branches {{ border-top: 2px solid var(--jp-border-color1); margin-top: 12px; }}
</style>"""


def dashboard_style() -> widgets.HTML:
    """Return the style sheet as a widget that takes no room."""
    return widgets.HTML(_STYLE, layout=widgets.Layout(height="0", margin="0", overflow="hidden"))
