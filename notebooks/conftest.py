"""The tests run the notebooks in their short mode (nbmake's kernels inherit the environment).

The first one is run by `tests/browser/test_first_notebook.py`, every cell of it, in a real
JupyterLab: once is enough.
"""

import os

os.environ.setdefault("LOCREF_NOTEBOOK_QUICK", "1")
collect_ignore = ["01_first_refinement.ipynb"]
