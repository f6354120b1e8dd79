"""What a refinement tells the search of an iteration, without searching."""

from dataclasses import replace

from locref_widgets.refinement.consensus import consensus_of
from locref_widgets.refinement.executor import LocalExecutor
from locref_widgets.refinement.fold_references import fixed
from locref_widgets.refinement.loop import RefinementLoop
from locref_widgets.refinement.observing import Change, Observer, Unobserved
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.search_pass import PosedSearch
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult


def pose_search(
    inputs: RefinementInput,
    settings: RefinementSettings,
    first: IterationResult | None = None,
    last: IterationResult | None = None,
    found: IterationResult | None = None,
    change: Change | None = None,
    observer: Observer | None = None,
) -> PosedSearch:
    """What a refinement tells its search, without searching.

    Parameters
    ----------
    inputs, settings
        Those of the iteration ``last``.
    first
        Result of iteration 0. Made, where absent.
    last
        The result that the search follows; unset: ``first``. Where its sums are in folds, the
        images are read once to add them up again.
    found
        Result of the search itself, where it has been made: in the iterations that are
        cross-fitted, folds were compared with what those before them had gained, for which the
        images are read once.
    change
        What changed before the search.
    observer
        Told of progress.

    Raises
    ------
    InputError
        If the inputs do not fit together.
    """
    observer, problem = observer or Unobserved(), pose_problem(inputs, settings)
    loop = RefinementLoop(inputs, settings, observer, problem, LocalExecutor())
    maps = loop.prepare(None if first is None else consensus_of(problem, first))
    last = last or first or loop.start(maps)
    del maps
    if change is not None:
        loop, last = loop.changed(change, last)
    posed = loop.pose_search(last, found)
    # The sums that they are made of are hundreds of megabytes.
    return replace(posed, references=fixed(posed.references))
