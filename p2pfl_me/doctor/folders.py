"""The run's folder and the private one: whether this peer may write there, and go on with the run that lies there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.counting import readable_bytes
from p2pfl_me.doctor.finding import Finding, bad, good, left_open, note, refusals
from p2pfl_me.errors import ContractError, PeerError
from p2pfl_me.files import NOT_YOURS, refusing, require_private
from p2pfl_me.peer.consent import require_consent
from p2pfl_me.peer.court import court_of
from p2pfl_me.peer.directory import Directory
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.run.beginning import would_change
from p2pfl_me.run.folder import RunFolder

LEAST_HOME = 16 << 20
"""Bytes of which certificates, marks and the features of some hundred clips take less."""


def folders(settings: PeerSettings) -> Iterator[Finding]:
    """Whether both can be written; that is seen without writing."""
    found = list[Finding]()
    with refusals("folder", found):
        _require_writable(settings.run, "name another with --out")
        found.append(good("folder", f"{settings.run} {_is(settings.run)}"))
    with refusals("home", found):
        _require_writable(settings.home, "set P2PME_HOME to a folder of yours")
        free = shutil.disk_usage(_nearest(settings.home)).free
        says = f"{settings.home} {_is(settings.home)}, and {readable_bytes(free)} are free for keys and caches"
        fix = "free some space, or set P2PME_HOME to a folder elsewhere"
        found.append(good("home", says) if free >= LEAST_HOME else bad("home", says, fix))
    yield from found


def going_on(settings: PeerSettings, directory: Directory) -> Iterator[Finding]:
    """Whether a run that lies in the folder goes on under this contract."""
    found = list[Finding]()
    with refusals("folder", found):
        changed = would_change(settings.run, settings.contract)
        try:
            require_consent(settings.run, settings.contract, court_of(directory, settings.home).witness, None)
        except ContractError as error:
            found.append(left_open("folder", f"{error.where}: {error.what}", error.fix))
        else:
            if changed:
                says = f"the run in {settings.run} goes on under a changed contract: {', '.join(changed)}"
                found.append(note("folder", says, "give all of the others the same file"))
    yield from found


def _require_writable(path: Path, fix: str) -> None:
    place = _nearest(path)
    with refusing(PeerError, place, fix):
        if place == path.absolute():
            require_private(place)
        elif not place.is_dir():
            raise NotADirectoryError(f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PeerError("cannot be written", where=str(place), fix=NOT_YOURS)


def _is(path: Path) -> str:
    if not path.exists():
        return "can be made"
    return "can be written" if not RunFolder(path).contract.exists() else "can be written, and holds a run"


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest around it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if os.path.lexists(each))
