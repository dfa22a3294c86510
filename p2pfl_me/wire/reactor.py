"""A thread of its own for what only one thread may touch: it works, makes the calls posted to it, keeps timers, sleeps.

An event loop would wake for every record; this one looks at the clock and at its sockets only when nothing moves.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")


class Machine(Protocol):
    """What a reactor drives."""

    def turn(self) -> bool:
        """Do a bounded piece of work; False when there was nothing to do."""

    def wait(self, timeout_s: float | None) -> None:
        """Sleep until there may be something to do or `timeout_s` has passed; `wake` ends it."""

    def wake(self) -> None:
        """Called from any thread: end the present or the next `wait`."""

    def failed(self, error: Exception) -> None:
        """A call or a turn raised; the reactor ends after this."""

    def close(self) -> None:
        """The last thing done in the thread."""


class Reactor:
    """Drives one machine in one thread, from `start` to `stop`."""

    def __init__(self, machine: Machine, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine, self._clock = machine, clock
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._asleep = self._stopping = False
        self._thread = threading.Thread(target=self.run, daemon=True, name=name)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether it has not been told to stop."""
        return not self._stopping

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the calls that were posted before; from any thread."""
        self.post(self._stop)

    def join(self) -> None:
        self._thread.join()

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` made in the thread, in the order of posting; from any thread. An ended reactor drops it."""
        self._calls.append(call)
        if self._asleep:
            self._machine.wake()

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """The answer of a call made in the thread; RuntimeError if the reactor has ended."""
        answer = self.ask_soon(question)
        if not self.is_alive and not answer.done():
            answer.set_exception(RuntimeError("the thread has ended"))
        return answer

    def ask_soon(self, question: Callable[[], T]) -> Future[T]:
        """The same of a reactor that may not have begun yet."""
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(question())
            except Exception as error:
                answer.set_exception(error)

        self.post(call)
        return answer

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have `call` made after `delay_s` seconds; only from the thread itself."""
        heapq.heappush(self._timers, (self._clock() + delay_s, next(self._order), call))

    def run(self) -> None:
        """The thread's whole life; a test may call it in its own."""
        try:
            while not self._stopping:
                self._make_calls()
                if not self._stopping and not self._machine.turn():
                    self._sleep()
        except Exception as error:
            self._machine.failed(error)
        finally:
            self._close()

    def _close(self) -> None:
        try:
            self._machine.close()
        except Exception as error:
            self._machine.failed(error)
        while self._calls:  # questions that came too late
            self._calls.popleft()()

    def _stop(self) -> None:
        self._stopping = True

    def _make_calls(self) -> None:
        for _ in range(len(self._calls)):  # what these post comes after a turn
            self._calls.popleft()()
        while self._timers and self._timers[0][0] <= self._clock():
            heapq.heappop(self._timers)[2]()

    def _sleep(self) -> None:
        # Whoever posts after this line sees it and wakes us; whoever posted before is seen by us.
        self._asleep = True
        if not self._calls:
            self._machine.wait(max(0.0, self._timers[0][0] - self._clock()) if self._timers else None)
        self._asleep = False
