"""The accessibility check of axe-core, run on a part of the page."""

from tests.browser.conftest import REPOSITORY

SCRIPT = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"


def serious_faults(shown, selector):
    """Findings of axe-core that are serious or critical, in both themes, as rule and where.

    `shown` is the `Notebook` whose page is looked at.
    """
    assert SCRIPT.exists(), "run `npm ci` first"
    shown.page.evaluate(SCRIPT.read_text(encoding="utf-8") + ";0")
    found = []
    for theme in ("Dark", "Light"):
        shown.use_theme(f"JupyterLab {theme}")
        found += shown.page.evaluate(
            """async selector => {
                const result = await axe.run(selector, {resultTypes: ['violations']});
                return result.violations
                    .filter(({impact}) => impact === 'serious' || impact === 'critical')
                    .flatMap(({id, nodes}) => nodes.map(node => id + ': '
                        + node.html.slice(0, 200) + ' ' + node.failureSummary.slice(0, 300)));
            }""",
            selector,
        )
    return found
