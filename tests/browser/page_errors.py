"""What a page says in its console that is wrong."""

from contextlib import contextmanager

# What JupyterLab's manager of widgets says of a widget that no kernel tells of.
MODEL_GONE = "widget model not found"
# Said by JupyterLab or by bqplot's own front end, with or without this package.
NOT_OURS = ("debugger state", "Unsatisfied version")


@contextmanager
def heard(page, *ignored):
    """Errors of the page while this is open, as texts; some that are not ours are left out."""
    kept = []

    def keep(text):
        if not any(words in text for words in (*NOT_OURS, *ignored)):
            kept.append(text)

    def on_error(error):
        keep(f"{error}\n{error.stack}")

    def on_message(message):
        if message.type == "error":
            keep(f"{message.text} [{message.location.get('url', '')}]")

    page.on("pageerror", on_error)
    page.on("console", on_message)
    try:
        yield kept
    finally:
        page.remove_listener("pageerror", on_error)
        page.remove_listener("console", on_message)
