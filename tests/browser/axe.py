"""The accessibility check of axe-core, run on a part of the page."""

import time

from tests.browser.conftest import REPOSITORY

SCRIPT = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
SIZES = """selector => [...document.querySelectorAll(`${selector} *`)]
    .map(({clientWidth, clientHeight, scrollWidth, scrollHeight}) =>
        [clientWidth, clientHeight, scrollWidth, scrollHeight]).join()"""


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


def wait_until_still(page, selector, still_s=1.0, patience_s=8):
    """Wait until no element below `selector` has changed its size or what it holds for a while.

    bqplot draws its plots anew for another width; until then they may be wider than the page.
    """
    last, since, until = None, time.monotonic(), time.monotonic() + patience_s
    while time.monotonic() < min(since + still_s, until):
        if (now := page.evaluate(SIZES, selector)) != last:
            last, since = now, time.monotonic()
        page.wait_for_timeout(100)


def serious_faults(shown, selector):
    """The same in both themes; `shown` is the `Notebook` whose page is looked at."""
    found = []
    for theme in ("Dark", "Light"):
        shown.use_theme(f"JupyterLab {theme}")
        wait_until_still(shown.page, selector)
        found += faults_as_shown(shown.page, selector)
    return found
