"""Texts that do not fit where they stand."""

import time

# Labels at the ends of a colour bar stand in its margin; bqplot's frames are wider than its plots.
EXEMPT = "svg, .locref-rows table, .locref-colour-bar, .bqplot"


def clipped_texts(page, selector):
    """Elements below `selector` that are narrower than what is in them, unless they scroll."""
    return page.evaluate(
        """([selector, exempt]) => [...document.querySelectorAll(selector + ', ' + selector + ' *')]
            .filter(element => {
                const style = getComputedStyle(element);
                return element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
                    && style.display !== 'inline' && !/auto|scroll/.test(style.overflowX)
                    && !element.closest(exempt);
            })
            .map(element => element.tagName + '.' + element.className + ': '
                + element.scrollWidth + ' in ' + element.clientWidth + ': '
                + element.textContent.slice(0, 60))""",
        [selector, EXEMPT],
    )


def settled_clipping(page, selector, patience_s=8):
    """What is clipped once bqplot has drawn its plots anew for another width."""
    until = time.monotonic() + patience_s
    while (clipped := clipped_texts(page, selector)) and time.monotonic() < until:
        page.wait_for_timeout(200)
    return clipped
