"""A pytest plugin, `-p tests.forked --workers N`: the tests are collected once, and N forks of that process run them.

pytest-xdist starts an interpreter for each worker, and each of them imports the libraries and collects seven thousand
tests by itself: ten seconds of a core each time, more than a tenth of what the tests themselves take.

A file's tests share what is costly to make, so one worker runs them all, and so do files that share what a room makes
once a session; whoever is free takes the next. A worker that dies fails the test that it was at, and a run of which a
test has not been heard fails, too.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import warnings
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

from tests.warm import end_with_parent

INDEX = 4
"""Bytes of a unit's number in the pipe from which workers take their next; less than what a pipe gives at once."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, help="run the tests in so many forks of this process")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    config = session.config
    if not config.option.workers or config.option.collectonly or session.testsfailed:
        return None
    files = _together(session.items)
    config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # this process removes it, and those before
    here = _Parent(session, files)
    take, put = os.pipe()
    os.write(put, b"".join(index.to_bytes(INDEX) for index in range(len(files))))
    os.close(put)
    gc.collect()
    gc.freeze()  # a worker need not look through what all share, nor copy it
    try:
        for number in range(config.option.workers):
            here.fork(take, number)
        os.close(take)
        here.listen()
    finally:
        here.end()
        gc.unfreeze()
    return True


def _together(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests of each file, and of files that share a session's fixture of their room, one after another."""
    units: list[list[pytest.Item]] = []
    makes: dict[str, list[pytest.Item]] = {}
    for _, group in groupby(items, lambda item: item.path):
        tests = list(group)
        shared = {
            f"{fixture.baseid} {name}"
            for item in tests
            for name, (*_, fixture) in item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
            if fixture.scope == "session" and "/" in fixture.baseid
        }
        unit = next((makes[name] for name in shared if name in makes), None)
        if unit is None:
            units.append(unit := [])
        unit += tests
        makes |= dict.fromkeys(shared, unit)
    return units


class _Parent:
    """Hears of the workers, and tells pytest as if it had run their tests itself."""

    def __init__(self, session: pytest.Session, files: list[list[pytest.Item]]) -> None:
        self._session, self._files = session, files
        self._left = {item.nodeid: item for items in files for item in items}
        self._workers: dict[Connection, int] = {}
        self._at: dict[Connection, str] = {}

    def fork(self, take: int, number: int) -> None:
        mine, theirs = Pipe(duplex=False)
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            theirs.close()
            self._workers[mine] = pid
            return
        code = 1
        try:
            end_with_parent()
            for other in (mine, *self._workers):
                other.close()
            factory = self._session.config._tmp_path_factory  # type: ignore[attr-defined]
            factory._basetemp = factory.getbasetemp() / str(number)
            factory._basetemp.mkdir(0o700)
            _work(self._session, self._files, take, theirs)
            code = 0
        finally:
            os._exit(code)

    def listen(self) -> None:
        while self._workers:
            for pipe in wait(list(self._workers)):
                assert isinstance(pipe, Connection)
                try:
                    kind, value = json.loads(pipe.recv_bytes())
                except EOFError:
                    self._ended(pipe)
                else:
                    self._hear(pipe, kind, value)
                if self._session.shouldfail:
                    raise self._session.Failed(self._session.shouldfail)
                if self._session.shouldstop:
                    raise self._session.Interrupted(self._session.shouldstop)
        if self._left:
            self._session.shouldfail = (
                f"{len(self._left)} tests were not run, the first of them {next(iter(self._left))}"
            )
            raise self._session.Failed(self._session.shouldfail)

    def _hear(self, pipe: Connection, kind: str, value: Any) -> None:
        hook = self._session.config.hook
        if kind == "begun":
            self._at[pipe] = value
        elif kind == "report":
            report = hook.pytest_report_from_serializable(config=self._session.config, data=value)
            if isinstance(report.longrepr, list):  # of a skipped test, a tuple before it was JSON
                report.longrepr = tuple(report.longrepr)
            hook.pytest_runtest_logreport(report=report)
        elif kind == "warning":
            message, source, line, when, nodeid = value
            told = warnings.WarningMessage(UserWarning(message), UserWarning, source, line)
            hook.pytest_warning_recorded.call_historic(
                kwargs={"warning_message": told, "when": when, "nodeid": nodeid, "location": None}
            )
        else:
            item = self._left.pop(value)
            del self._at[pipe]
            hook.pytest_runtest_logfinish(nodeid=value, location=item.location)

    def _ended(self, pipe: Connection) -> None:
        _, status = os.waitpid(self._workers.pop(pipe), 0)
        pipe.close()
        if not status:
            return
        words = f"a process of the tests has ended with {os.waitstatus_to_exitcode(status)}"
        if nodeid := self._at.pop(pipe, ""):
            report = pytest.TestReport(nodeid, self._left.pop(nodeid).location, {}, "failed", words, "call")
            self._session.config.hook.pytest_runtest_logreport(report=report)
        else:
            self._session.shouldfail = words

    def end(self) -> None:
        for pid in self._workers.values():
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _work(session: pytest.Session, files: list[list[pytest.Item]], take: int, tell: Connection) -> None:
    manager = session.config.pluginmanager
    manager.unregister(name="terminalreporter")
    # What is captured lies in a file, which would be one for all workers.
    capture = manager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    manager.register(_Teller(session.config, tell))
    hook = session.config.hook
    while number := os.read(take, INDEX):
        items = files[int.from_bytes(number)]
        # After the last comes another file, of which the session is all that is shared with this one.
        for item, following in zip(items, [*items[1:], session], strict=True):
            tell.send_bytes(json.dumps(("begun", item.nodeid)).encode())
            hook.pytest_runtest_protocol(item=item, nextitem=following)
            tell.send_bytes(json.dumps(("done", item.nodeid)).encode())
    session._setupstate.teardown_exact(None)


class _Teller:
    """In a worker: what pytest says of a test goes to the parent."""

    def __init__(self, config: pytest.Config, tell: Connection) -> None:
        self._config, self._tell = config, tell

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._tell.send_bytes(json.dumps(("report", data)).encode())

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        words = f"{warning_message.category.__name__}: {warning_message.message}"
        value = (words, warning_message.filename, warning_message.lineno, when, nodeid)
        self._tell.send_bytes(json.dumps(("warning", value)).encode())
