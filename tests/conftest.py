"""What all tests share: one thread a library, no windows, Ctrl-C as in a terminal; hypothesis measures no time.

A test that leaves the process of the tests in another state fails; what it has started ends with it.
"""

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

# Before numpy and torch are imported, which read them once. The tests start many processes on few cores, and sums
# over several threads have other bits than those of a peer, which computes with one.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

import pytest
from hypothesis import settings

from p2pfl_me.contract.members import BASE_PORT
from tests import few, warm

# Seven thousand tests are collected without anything to throw away: looking for it takes a fifth of the time.
gc.disable()

# A shell's background job ignores Ctrl-C, and so would every command that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHILDREN = ("p2pfl_me.swarm.children", "p2pfl_me.evaluate.pool", "p2pfl_me.simulation.engine")
"""What the fork server of this process imports, whichever test starts it: those that come later use the same one, and
each of their children would import torch by itself."""


def _preload(names: list[str]) -> None:
    forkserver._forkserver.set_forkserver_preload([*CHILDREN, *names])


forkserver.set_forkserver_preload = _preload
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
HANDLERS = {number: signal.getsignal(number) for number in HANDLED}

settings.register_profile("house", deadline=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def ports_of_the_ready_contracts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nobody's: whoever listens there meets a user's own swarm one day, and another test's the next.

    One of the test processes holds them, so that a test that forgot to choose ports fails each time and not by chance.
    The README's commands are a user's own, which choose none.
    """
    users = any(item.get_closest_marker("readme") for item in request.session.items)
    with contextlib.ExitStack() as held:
        for port in () if users else range(BASE_PORT, BASE_PORT + 16):
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


@pytest.fixture(scope="session", autouse=True)
def a_fork_server_without_imports(request: pytest.FixtureRequest) -> None:
    """Of a fork that runs tests (`tests.forked`), while no test has started a thread yet."""
    if request.config.getoption("workers", 0):
        warm.fork_server()


@pytest.fixture(autouse=True)
def the_process_of_the_tests_as_it_was() -> Iterator[None]:
    """A signal that one test had ignored would be missed by another one, hours of looking away from its cause."""
    before = warm.running()
    yield
    warm.end(warm.running() - before)
    changed = {number: handler for number in HANDLED if (handler := signal.getsignal(number)) != HANDLERS[number]}
    for number in changed:
        signal.signal(number, HANDLERS[number])
    assert not changed, "the handlers of these signals were not put back"


LONGEST = (
    "live/test_watching.py",
    "data/datasets/test_twins.py",
    "report/test_page.py",
    "deploy/test_export.py",
    "swarm/test_ends.py",
    "wire/test_relay.py",
    "wire/test_watcher.py",
    "peer/test_commands.py",
    "compare/test_run.py",
    "gossip/test_protocols.py",
    "api/test_front_door.py",
    "evaluate/test_run.py",
    "report/test_interactive.py",
    "live/test_browser.py",
    "wire/test_links_ending.py",
    "privacy/test_masked_runs.py",
    "wire/test_links.py",
)
"""The files that take longest, as measured: they begin first, so that no process is left alone with one at the end."""


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
    if session.config.getoption("workers", 0):
        warm.server()  # one for all forks of this process; not before cv2, whose import changes LD_LIBRARY_PATH


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests stay in the order of their file; the files come in that of `LONGEST`, then the others.

    Before pytest looks at marks, those are made that leave cases out of the default run.
    """
    here = Path(__file__).parent
    rank = {str(here / name): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))
    few.mark_others(items)
