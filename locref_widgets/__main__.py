"""``python -m locref_widgets`` is ``locref``."""

from locref_widgets.cli import main

if __name__ == "__main__":
    main()
