"""The accessibility check of axe-core, run on a part of the page."""

from tests.browser.conftest import REPOSITORY

SCRIPT = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
# Colours are JupyterLab's own, from its themes.
THEME_RULES = ("color-contrast",)


def serious_faults(page, selector):
    """Findings of axe-core that are serious or critical, as rule: what and where."""
    assert SCRIPT.exists(), "run `npm ci` first"
    page.evaluate(SCRIPT.read_text(encoding="utf-8") + ";0")
    return page.evaluate(
        """async ([selector, off]) => {
            const rules = Object.fromEntries(off.map(name => [name, {enabled: false}]));
            const result = await axe.run(selector, {rules, resultTypes: ['violations']});
            return result.violations
                .filter(({impact}) => impact === 'serious' || impact === 'critical')
                .flatMap(({id, nodes}) => nodes.map(node => id + ': ' + node.html.slice(0, 200)));
        }""",
        [selector, list(THEME_RULES)],
    )
