"""What the work shares with the threads and signals around it: progress outwards, "stop" inwards."""

import threading
from collections.abc import Callable


class Control:
    """Progress of one job from 0 to 1 (never backwards), and at most one reason to stop it early."""

    def __init__(self, on_progress: Callable[[float, str], None] | None = None) -> None:
        """``on_progress`` is called on the working thread with the fraction done and the name of the step."""
        self._on_progress = on_progress
        self._stopped = threading.Event()
        self._reason: BaseException | None = None
        self.progress = 0.0
        self.step = "starting"

    def advance(self, fraction: float, step: str | None = None) -> None:
        """Note progress; raises the reason to stop when there is one."""
        self.check()
        self.progress = max(self.progress, min(1.0, fraction))
        self.step = step or self.step
        if self._on_progress is not None:
            self._on_progress(self.progress, self.step)

    def span(self, start: float, end: float, step: str) -> Callable[[float], None]:
        """Give a reporter that maps 0-1 of one step to ``start``-``end`` of the job."""

        def report(fraction: float) -> None:
            self.advance(start + (end - start) * min(1.0, max(0.0, fraction)), step)

        report(0.0)
        return report

    def stop(self, reason: BaseException) -> None:
        """Ask the working thread to raise ``reason`` at its next check; the first reason stays."""
        if self._reason is None:
            self._reason = reason
            self._stopped.set()

    def check(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self._reason is not None:
            raise self._reason

    def pause(self, seconds: float) -> None:
        """Wait, but not past a reason to stop, which is then raised."""
        self._stopped.wait(seconds)
        self.check()
