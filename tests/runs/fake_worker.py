"""The worker with the stand-in for the refinement; ``SECONDS_PER_BATCH`` says how slow it is."""

import os
import sys

from locref_widgets.runs.worker import main
from tests.runs.fake_job import make_loop

if __name__ == "__main__":
    loop = make_loop(float(os.environ.get("SECONDS_PER_BATCH", "0.05")))
    sys.exit(main(refine_loop=loop))
