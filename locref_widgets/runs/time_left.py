"""How long what is under way will still take: measured, and not told before it can be.

A pass over the particles goes at a steady rate once its programs are compiled, which takes place in
its first batch and may take longer than all the rest. So the first batch is left out; the rate is
that of the later half of the time since then, so that a machine that is given more or less to do
meanwhile shows; and until a few batches were measured nothing is said but that.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

_FEWEST_STEPS = 3
"""Reports of progress after the first batch before a rate is believed."""
_SHORTEST_SECONDS = 2.0
"""Time after the first batch before a rate is believed."""
_SHORTEST_WINDOW_SECONDS = 20.0
_MOST_STEPS = 512
MEASURING = "measuring"


@dataclass
class Pace:
    """Progress of one pass. Times are seconds on any one clock, pauses left out.

    ``times`` and ``done`` are those of reports of progress, the first one after the first batch.
    """

    total: int = 0
    times: list[float] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def add(self, time_seconds: float, done: int, total: int) -> None:
        """Take note of how far it is. A pass that is another one begins anew."""
        if total != self.total or (self.done and done < self.done[-1]):
            self.total, self.times, self.done = total, [], []
        if done <= 0 or (self.done and done == self.done[-1]):
            return
        self.times.append(time_seconds)
        self.done.append(done)
        if len(self.times) > _MOST_STEPS:
            # Every second one of the older half: the window begins where any of them may stand.
            for steps in (self.times, self.done):
                del steps[1 : _MOST_STEPS // 2 : 2]

    def rate(self) -> float | None:
        """Particles a second; None until it can be told."""
        if len(self.times) <= _FEWEST_STEPS:
            return None
        since_first = self.times[-1] - self.times[0]
        if since_first < _SHORTEST_SECONDS:
            return None
        window = max(_SHORTEST_WINDOW_SECONDS, since_first / 2)
        begun = bisect_left(self.times, self.times[-1] - window)
        begun = min(begun, len(self.times) - 1 - _FEWEST_STEPS)
        elapsed = self.times[-1] - self.times[begun]
        return (self.done[-1] - self.done[begun]) / elapsed if elapsed > 0 else None

    def seconds_left(self) -> float | None:
        """Seconds from the last progress to the end of the pass; None until it can be told."""
        if self.done and self.done[-1] >= self.total:
            return 0.0
        rate = self.rate()
        return (self.total - self.done[-1]) / rate if rate else None


def duration_words(seconds: float) -> str:
    """Say a duration as people do: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def left_words(seconds: float | None) -> str:
    """Say how long it will still take, or that this is being measured."""
    return MEASURING if seconds is None else f"{duration_words(seconds)} left"
