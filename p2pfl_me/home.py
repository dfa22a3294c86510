"""Where one user's private things live: keys and caches. `P2PME_HOME` moves them, `~/.p2pme` is the default."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from p2pfl_me.errors import P2pmeError
from p2pfl_me.files import private_folder, refusing


def home() -> Path:
    """The private folder of this user; it need not exist yet.

    Raises
    ------
    P2pmeError
        There is no HOME, and the system knows none of this user.
    """
    named = os.environ.get("P2PME_HOME")
    try:
        return Path(named or "~/.p2pme").expanduser()
    except RuntimeError as error:  # a container's user without a name or HOME, or another's ~name
        raise P2pmeError(
            "this user has no home folder" if not named else "names no user's home folder",
            where=f"P2PME_HOME={named}" if named else f"uid {os.getuid()}",
            fix="set P2PME_HOME to a folder of yours, for keys and caches",
        ) from error


def keys_dir(folder: Path) -> Path:
    """The folder of private keys below `folder`, made with mode 0700."""
    return _private(folder / "keys", stat.S_IWGRP | stat.S_IWOTH)


def cache_dir(folder: Path) -> Path:
    """The folder of derived data (features, backbones, drawn clips) below `folder`, made with mode 0700."""
    return _private(folder / "cache")


def _private(path: Path, forbidden: int = stat.S_IWOTH) -> Path:
    with refusing(P2pmeError, path, "set P2PME_HOME to a folder you may write to", "cannot be this private folder"):
        return private_folder(path, forbidden)
