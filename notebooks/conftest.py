"""The tests run the notebooks in their short mode (nbmake's kernels inherit the environment)."""

import os

os.environ.setdefault("LOCREF_NOTEBOOK_QUICK", "1")
