"""One mechanism that protects, how it is taken away, and the tests that must notice."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, settings

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Switch:
    """`off` takes the mechanism away; each of `tests` must fail then."""

    name: str
    off: Callable[[Patch], None]
    tests: tuple[str, ...]


def instead(path: str, value: Any) -> Callable[[Patch], None]:
    """Put `value` where `module:name` or `module:Class.name` is, and where whatever is loaded has it from there."""

    def off(patch: Patch) -> None:
        module, _, names = path.partition(":")
        at: Any = importlib.import_module(module)
        *outer, last = names.split(".")
        for name in outer:
            at = getattr(at, name)
        before = getattr(at, last)
        patch.setattr(at, last, value)
        for name, loaded in list(sys.modules.items()):
            ours = name.startswith(("tests.", "p2pfl_me."))
            if ours and not outer and callable(before) and vars(loaded).get(last) is before and loaded is not at:
                patch.setattr(loaded, last, value)

    return off


def nothing(*arguments: Any, **named: Any) -> None:
    """Checks nothing."""


def without_shrinking() -> None:
    """A test that fails, as it should here, says so by the first example: Hypothesis takes up to five minutes to look
    for a smaller one. Before the tests are imported, since they take what they do not say themselves from it."""
    settings.register_profile("switched off", phases=(Phase.explicit, Phase.generate), database=None)
    settings.load_profile("switched off")


class _Noted:
    """By what tests failed."""

    def __init__(self) -> None:
        self.kinds: set[type[BaseException]] = set()

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None:
            self.kinds.add(call.excinfo.type)


def run(switch: Switch) -> bool:
    """Whether every test of a switch fails while its mechanism is off, and not because the switch does not fit."""
    from tests.wire.peers import Recorder

    noted = _Noted()
    with Patch.context() as patch:
        switch.off(patch)
        patch.setattr(Recorder.until, "__defaults__", (4.0,))
        codes = []
        for test in switch.tests:
            importlib.invalidate_caches()
            with contextlib.redirect_stdout(io.StringIO()):
                codes.append(
                    pytest.main(
                        [test, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header"], [noted]
                    )
                )
    misfits = {TypeError, NameError, AttributeError, ImportError}
    return all(code == pytest.ExitCode.TESTS_FAILED for code in codes) and not noted.kinds & misfits
