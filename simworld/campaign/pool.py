"""Worker processes that run the trials of a hunt: the same result as in one process, sooner.

Trial n depends on nothing but (seed, scenario, n), so trials are handed out in chunks to whoever is
free and counted in the order of their numbers.  A finding belongs to the first trial that shows it;
it is shrunk by a worker, too.  A worker that dies loses nothing: its chunk is run again by another.

Workers are processes of their own making, not forks: they load the scenarios again by name.  They
ignore Ctrl-C; the parent lets them finish what they do and keeps it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeAlias

import attrs

from simworld import marks
from simworld.campaign.hunt import Hunter, no_collector
from simworld.campaign.loading import load_scenarios
from simworld.campaign.ordered import Answer, Order, Search, Task
from simworld.campaign.scenario import Scenario
from simworld.campaign.tally import Tally, Told
from simworld.errors import InternalError, UsageError

DEATHS_MAX = 2
"""A task that has killed so many workers is not given to another."""
POLL_S = 0.2
"""How soon Ctrl-C is noticed."""
GOODBYE_S = 2.0
"""How long a worker may take to leave, or to come to the end of its trials, without a word."""
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from simworld.campaign.pool import main; "
    "main(int(sys.argv[1]))"
)

Line: TypeAlias = "Connection[Any, Any]"


def cores() -> int:
    """How many processes can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@attrs.define(eq=False)
class _Worker:
    """A worker, and what it is doing."""

    process: subprocess.Popen[bytes]
    line: Line
    task: Task | None = None


class Pool:
    """``jobs`` processes that load their scenarios from ``where``, for one hunt at a time."""

    def __init__(
        self, jobs: int, *, where: str | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        if jobs < 1:
            raise UsageError(f"a pool needs at least one process, not {jobs}")
        self.jobs = jobs
        self._where = where
        self._say = _on_stderr if say is None else say
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.line.close()
        for worker in self._workers:
            _end(worker.process, patience_s=0.0 if worker.task else GOODBYE_S)
        self._workers.clear()

    @property
    def pids(self) -> list[int]:
        """Of the processes there are now."""
        return [worker.process.pid for worker in self._workers]

    def search(
        self,
        hunter: Hunter,
        tally: Tally,
        trials: int,
        seconds: float | None,
        tell: Callable[[], None],
    ) -> None:
        """Run the trials of a hunt and count them; raises what they raise, in their order."""
        self._check(hunter.scenario)
        search = Search(_order(hunter), tally, trials, seconds, jobs=self.jobs)
        began = time.perf_counter()
        try:
            with _ctrl_c_noted() as pressed:
                while not search.done:
                    if pressed():
                        raise KeyboardInterrupt
                    self._hand_out(search)
                    self._listen(search)
                    tell()
        except KeyboardInterrupt:
            self._drain(search)
            search.finish(lambda number, key: hunter.finding(number, key, shrinking=False))
            raise
        finally:
            self._dismiss_busy()
            wall = time.perf_counter() - began
            tally.shrink_seconds = min(wall, search.shrink_seconds / self.jobs)

    def _check(self, scenario: Scenario) -> None:
        """``UsageError`` unless a worker that looks for the scenario finds this one."""
        if load_scenarios(self._where, deep=True).get(scenario.name) is not scenario:
            where = self._where or "the scenarios of this directory"
            raise UsageError(
                f"scenario {scenario.name} is not what {where} holds under that name, so other "
                "processes cannot load it; hunt it with one job, or say where it is"
            )

    # --- the work ---------------------------------------------------------------------------------

    def _hand_out(self, search: Search) -> None:
        """Something to do for whoever is idle."""
        for at in range(self.jobs):
            if at < len(self._workers) and self._workers[at].task is not None:
                continue
            task = search.next_task()
            if task is None:
                return
            if at == len(self._workers):
                self._workers.append(_hired(self._where))
            worker = self._workers[at]
            worker.task = task
            try:
                worker.line.send(task)
            except OSError:  # it died while it was idle
                self._workers[at] = attrs.evolve(_hired(self._where), task=task)
                self._workers[at].line.send(task)

    def _listen(self, search: Search) -> None:
        """Take the answers that are there, or wait a little for one."""
        busy = {id(each.line): each for each in self._workers if each.task is not None}
        ready = wait([each.line for each in busy.values()], POLL_S)
        for line in ready:
            worker = busy[id(line)]
            assert worker.task is not None
            try:
                answer = worker.line.recv()
            except (EOFError, OSError):
                self._bury(worker, search)
            else:
                task, worker.task = worker.task, None
                search.take(task, answer)

    def _bury(self, worker: _Worker, search: Search) -> None:
        """A worker died; somebody else does its task, unless it has done that before."""
        self._workers.remove(worker)
        worker.line.close()
        how = _told_end(worker.process.wait())
        task = worker.task
        assert task is not None
        again = attrs.evolve(task, deaths=task.deaths + 1)
        if again.deaths >= DEATHS_MAX:
            raise InternalError(
                f"{again.deaths} workers died ({how}) over {task}; usual causes: too little memory "
                "(hunt with fewer --jobs), or a body that ends its process"
            )
        self._say(f"a worker died ({how}) over {task}; another one does it again")
        search.give_back(again)

    def _drain(self, search: Search) -> None:
        """After Ctrl-C: wait for the trials under way, but for no shrinking."""
        search.stop()
        patience_ends: float | None = time.monotonic() + GOODBYE_S
        with _ctrl_c_noted() as pressed:
            while not pressed():
                if patience_ends is not None and time.monotonic() > patience_ends:
                    self._say("waiting for the trials under way; Ctrl-C again leaves them")
                    patience_ends = None
                self._hand_out(search)  # a chunk may have to be run again
                if all(each.task is None or each.task.key for each in self._workers):
                    return
                self._listen(search)

    def _dismiss_busy(self) -> None:
        """Nobody needs the answers any more."""
        for worker in [each for each in self._workers if each.task is not None]:
            self._workers.remove(worker)
            worker.line.close()
            _end(worker.process, patience_s=0.0)


def _order(hunter: Hunter) -> Order:
    return Order(
        hunter.scenario.name,
        hunter.variant,
        hunter.seed,
        hunter.explorer,
        hunter.case,
        hunter.run_twice,
        hunter.faults,
    )


def _on_stderr(text: str) -> None:
    print(f"simworld: {text}", file=sys.stderr)


def _hired(where: str | None) -> _Worker:
    """A new worker; Ctrl-C in the terminal does not reach it, from its first moment on."""
    ours, theirs = Pipe()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *sys.path],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
    ours.send(where)
    return _Worker(process, ours)


def _end(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Wait for a process whose line is closed, for so long."""
    try:
        process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _told_end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


@contextlib.contextmanager
def _ctrl_c_noted() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; it must not fall between an answer and its being counted."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# --- in a worker ----------------------------------------------------------------------------------


def main(number: int) -> None:
    """Entry of a worker: do what is asked until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    line: Line = Connection(number)
    with contextlib.suppress(EOFError, OSError):  # the parent has gone
        where: str | None = line.recv()
        bench: dict[Order, Hunter] = {}
        while True:
            task = line.recv()
            line.send(_done(task, where, bench))


def _done(task: Task, where: str | None, bench: dict[Order, Hunter]) -> Answer:
    began = time.perf_counter()
    told: list[Told] = []
    reached = marks.snapshot()
    finding, mistake = None, None
    try:
        hunter = bench.get(task.order)
        if hunter is None:
            bench.clear()  # one hunt at a time
            hunter = bench[task.order] = _hunter(task.order, where)
        with no_collector():
            if task.key is not None:
                finding = hunter.finding(task.first, task.key)
            else:
                for number in range(task.first, task.first + task.count):
                    told.append(hunter.told(number))
    except BaseException as error:  # whatever it is, the parent raises it
        mistake = _sendable(error)
    return Answer(told, marks.since(reached), time.perf_counter() - began, finding, mistake)


def _hunter(order: Order, where: str | None) -> Hunter:
    scenarios = load_scenarios(where, deep=True)
    if order.scenario not in scenarios:
        raise InternalError(f"a worker finds no scenario {order.scenario} where its parent did")
    return Hunter(
        scenarios[order.scenario],
        order.variant,
        seed=order.seed,
        explorer=order.explorer,
        case=order.case,
        run_twice=order.run_twice,
        faults=order.faults,
    )


def _sendable(error: BaseException) -> BaseException:
    """The error, if it survives the way to the parent, with its traceback as a note."""
    told = "".join(traceback.format_exception(error)).rstrip()
    error.add_note(f"in a worker:\n{told}")
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # its constructor wants other arguments, or it holds what cannot be sent
        pass
    return InternalError(f"{type(error).__name__}: {error}")
