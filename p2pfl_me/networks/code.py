"""A user's own network as code: where it comes from, and building it. Code stays with its lab; contracts never name it.

`FILE.py:NAME` and `PACKAGE.MODULE:NAME` name a function or class that returns a `torch.nn.Module`. What a builder draws
comes from a seed, whichever of torch's, numpy's and Python's generators it asks, and each goes on afterwards as before.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from p2pfl_me.errors import NetworkError
from p2pfl_me.files import read_regular
from p2pfl_me.networks.network import Use

if TYPE_CHECKING:
    from torch import nn

CLASSES = frozenset({"classes", "num_classes", "n_classes"})
"""Names under which a builder may ask for the number of classes."""


@dataclass(frozen=True)
class Code:
    """A builder: a text that names it, which other processes can follow, or the thing itself."""

    source: str = ""
    factory: Callable[..., Any] | None = field(default=None, compare=False)
    key: int = 0

    @staticmethod
    def of(given: Given) -> Code:
        """From `FILE.py:NAME`, or from a function or class; of one that lies in a module of its own, by its name.

        Raises
        ------
        NetworkError
            It is neither.
        """
        if isinstance(given, Code):
            return given
        if isinstance(given, str | Path):
            return Code(_absolute(str(given)))
        if not callable(given):
            raise NetworkError(
                f"a network is built by a function or a class, and this is a {type(given).__name__}",
                fix="give FILE.py:FUNCTION, or the function itself; a finished module can be wrapped: lambda: module",
            )
        return Code(_source_of(given), given, id(given))

    def __reduce__(self) -> tuple[Any, ...]:
        """Other processes find it by its name."""
        self.require_source()
        return (Code, (self.source,))

    def require_source(self) -> None:
        """Refuse what other processes cannot find: what a notebook holds has no name.

        Raises
        ------
        NetworkError
            It lies in no file.
        """
        if not self.source:
            raise NetworkError(
                "the network was defined in a notebook or inside a function, where other processes cannot find it",
                fix="put it into a file and give 'FILE.py:NAME', or take engine lockstep or simulate",
            )

    @property
    def where(self) -> str:
        """For messages."""
        return self.source or getattr(self.factory, "__qualname__", repr(self.factory))

    def loaded(self) -> Callable[..., Any]:
        """The function or class.

        Raises
        ------
        NetworkError
            Its file cannot be imported, or has nothing of that name.
        """
        return self.factory if self.factory is not None else _load(self.source)

    def own_side(self) -> int | None:
        """The side of its input in pixels, where the builder says so: `build.input_size = 28`."""
        side = getattr(self.loaded(), "input_size", None)
        return side if isinstance(side, int) else None

    def build(self, use: Use, seed: int) -> nn.Module:
        """A module for so many classes and such an input; what it draws comes from `seed`.

        Raises
        ------
        NetworkError
            The builder cannot be had, fails, or gives something else.
        """
        import torch
        from torch import nn

        factory = self.loaded()
        arguments, named = _asked(factory, use, self.where)
        with _seeded(seed), _as_before(), redirect_stdout(sys.stderr):
            try:
                module = factory(*arguments, **named)
            except (Exception, SystemExit) as error:
                raise NetworkError(
                    f"cannot be built: {type(error).__name__}: {error}",
                    where=self.where,
                    fix="see that it runs by itself on the processor; it is called with the number of classes, by "
                    "position or as `classes`, or with nothing",
                ) from error
        if not isinstance(module, nn.Module):
            raise NetworkError(
                f"gives a {type(module).__name__}, not a torch.nn.Module",
                where=self.where,
                fix="return the module itself",
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise NetworkError(
                "gives a scripted module, whose tensors cannot be put into a model that travels",
                where=self.where,
                fix="return the module as it is before torch.jit",
            )
        return _on_the_processor(_uncompiled(module), self.where)


Given = str | Path | Code | Callable[..., Any]
"""A network as a user names it: `FILE.py:NAME`, or a function or class."""


def _asked(factory: Callable[..., Any], use: Use, where: str) -> tuple[list[Any], dict[str, Any]]:
    """What a builder is called with: whatever it asks for of classes and input size."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return [], {}
    known: dict[str, Any] = {**dict.fromkeys(CLASSES, use.classes), "input_size": use.side}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in known and parameter.kind is not parameter.POSITIONAL_ONLY:
            named[parameter.name] = known[parameter.name]
        elif parameter.default is parameter.empty and not positional and not named:
            positional.append(use.classes)
        elif parameter.default is parameter.empty:
            raise NetworkError(
                f"asks for `{parameter.name}`, of which nothing is known",
                where=where,
                fix="it is called with `classes` and `input_size`; give all else a default",
            )
    return positional, named


def _uncompiled(module: nn.Module) -> nn.Module:
    """As it was before torch.compile: that renames tensors, and how it rounds hangs on which batches it has met."""
    module = _unwrapped(module)
    for each in module.modules():
        each._compiled_call_impl = None
        for name, child in each.named_children():
            if (within := _unwrapped(child)) is not child:
                setattr(each, name, within)
    return module


def _unwrapped(module: nn.Module) -> nn.Module:
    wrapped = type(module).__name__ == "OptimizedModule"  # by its name: torch's compiler takes seconds to import
    return module._orig_mod if wrapped else module  # type: ignore[return-value]


def _on_the_processor(module: nn.Module, where: str) -> nn.Module:
    from torch.nn.parameter import is_lazy

    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_meta:
            raise NetworkError(
                f"`{name}` has a shape and no values (device meta)", where=where, fix="build it on the processor"
            )
        if not is_lazy(value) and value.is_inference():
            raise NetworkError(
                f"`{name}` was made in torch.inference_mode, and cannot be trained", where=where, fix="build it outside"
            )
    return module.to("cpu")


def _load(source: str) -> Callable[..., Any]:
    place, _, name = source.rpartition(":")
    if not place or not name.isidentifier():
        raise NetworkError("does not name a network", where=source, fix="write FILE.py:FUNCTION, as mylab.py:build")
    try:
        with _as_before(), redirect_stdout(sys.stderr):  # what it prints is for people; stdout may be JSON
            module = _file_module(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except NetworkError:
        raise
    except (Exception, SystemExit) as error:
        line = _line_in(error, place)
        raise NetworkError(
            f"cannot be imported: {type(error).__name__}: {error}",
            where=f"{place}{line}",
            fix="see that `python` can run the file by itself",
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        known = ", ".join(sorted(key for key, value in vars(module).items() if _is_its_own(value, module)))
        what = f"`{name}` is no function or class" if hasattr(module, name) else f"has no `{name}`"
        raise NetworkError(what, where=place, fix=f"known there: {known or 'nothing that can be called'}")
    return found  # type: ignore[no-any-return]


def _is_its_own(value: object, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__


def _file_module(path: Path) -> ModuleType:
    """The module of a file, imported once a process and version of its text."""
    try:
        text = read_regular(path)
    except OSError as error:
        raise NetworkError(
            f"cannot be read: {error.strerror}", where=str(path), fix="name the file that holds the network"
        ) from error
    name = f"_network_{hashlib.sha256(str(path).encode() + text).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if (folder := str(path.parent)) not in sys.path:
        sys.path.append(folder)  # for what lies beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _line_in(error: BaseException, place: str) -> str:
    """`:LINE` of the user's file on which an error arose."""
    if isinstance(error, SyntaxError) and error.lineno and error.filename == place:
        return f":{error.lineno}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == place:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _absolute(source: str) -> str:
    """Children may run in another folder."""
    place, colon, name = source.rpartition(":")
    return f"{Path(place).expanduser().absolute()}{colon}{name}" if place.endswith(".py") else source


def _source_of(factory: Callable[..., Any]) -> str:
    """`FILE.py:NAME` of what stands at the top of a file that can be imported, else nothing."""
    name, module = getattr(factory, "__qualname__", ""), sys.modules.get(getattr(factory, "__module__", ""))
    path = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__" or not path or not str(path).endswith(".py"):
        return ""
    return f"{Path(path).absolute()}:{name}" if getattr(module, name, None) is factory else ""


@contextmanager
def _as_before() -> Iterator[None]:
    """What a file sets for the whole process goes no further than its own lines."""
    import torch

    kind, grad, device = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device()
    try:
        yield
    finally:
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(grad)
        if torch.get_default_device() != device:
            torch.set_default_device(device)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    mine, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(mine)
            np.random.set_state(numpys)
