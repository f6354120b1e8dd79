"""Texts that do not fit where they stand."""


def clipped_texts(page, selector):
    """Elements below `selector` that are narrower than what is in them, unless they scroll."""
    return page.evaluate(
        """selector => [...document.querySelectorAll(selector + ', ' + selector + ' *')]
            .filter(element => {
                const style = getComputedStyle(element);
                return element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
                    && style.display !== 'inline' && !/auto|scroll/.test(style.overflowX)
                    && !element.closest('svg, .locref-rows table');
            })
            .map(element => element.tagName + '.' + element.className + ': '
                + element.scrollWidth + ' in ' + element.clientWidth + ': '
                + element.textContent.slice(0, 60))""",
        selector,
    )
