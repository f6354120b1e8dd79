"""The refinement: reconstruct at the given poses, then search and reconstruct until it settles."""

from locref_widgets.refinement.executor import Executor, LocalExecutor
from locref_widgets.refinement.loop import RefinementLoop
from locref_widgets.refinement.observing import (
    Observer,
    Steering,
    announce,
    announce_change,
)
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.rehearsal import Rehearsal
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult


def refine_loop(
    inputs: RefinementInput,
    settings: RefinementSettings,
    observer: Observer,
    resume: IterationResult | None = None,
    executor: Executor | None = None,
) -> IterationResult:
    """Refine until convergence or the largest number of iterations; return the last result.

    Parameters
    ----------
    inputs
        Particles, map and mask, read.
    settings
        What to do.
    observer
        Follows and steers; one that is a `Steering` may change settings between iterations.
    resume
        Result of the last finished iteration of an interrupted run, to go on from.
    executor
        Computes the passes over the images; this machine's devices unless given.

    Raises
    ------
    InputError
        If the inputs do not fit together.
    StopRequested
        From the observer.
    """
    problem = pose_problem(inputs, settings)
    loop = RefinementLoop(inputs, settings, observer, problem, executor or LocalExecutor())
    announce(observer, problem, settings)
    rehearsal = Rehearsal(problem, settings, loop.batch_size, loop.executor)
    maps = loop.prepare(added_up=rehearsal.begin)
    if resume is None:
        result = loop.start(maps)
        observer.iteration_finished(result)
    else:
        result = resume
    del maps
    while True:
        change = None
        if isinstance(observer, Steering):
            change = observer.before_iteration(result.iteration + 1)
        if change is not None:
            loop, result = loop.changed(change, result)
            announce_change(observer, result.iteration + 1, loop.problem, change)
        if result.iteration >= loop.settings.iterations or result.converged:
            return result
        rehearsal.wait()
        result = loop.iterate(result)
        observer.iteration_finished(result)
