"""The accessibility check of axe-core, run on a part of the page."""

import time

from tests.browser.conftest import REPOSITORY

SCRIPT = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"


def faults_as_shown(page, selector):
    """Findings of axe-core that are serious or critical, as rule and where."""
    assert SCRIPT.exists(), "run `npm ci` first"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8") + ";0")
    return page.evaluate(
        """async selector => {
            const result = await axe.run(selector, {resultTypes: ['violations']});
            return result.violations
                .filter(({impact}) => impact === 'serious' || impact === 'critical')
                .flatMap(({id, nodes}) => nodes.map(node => id + ': '
                    + node.html.slice(0, 200) + ' ' + node.failureSummary.slice(0, 300)));
        }""",
        selector,
    )


def settled_faults(page, selector, patience_s=8):
    """The same once bqplot has drawn its plots anew: until then they may be wider than the page."""
    until = time.monotonic() + patience_s
    while (faults := faults_as_shown(page, selector)) and time.monotonic() < until:
        page.wait_for_timeout(200)
    return faults


def serious_faults(shown, selector):
    """The same in both themes; `shown` is the `Notebook` whose page is looked at."""
    found = []
    for theme in ("Dark", "Light"):
        shown.use_theme(f"JupyterLab {theme}")
        found += settled_faults(shown.page, selector)
    return found
