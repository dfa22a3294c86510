"""Where one user's private things live: keys and caches. `P2PME_HOME` moves them, `~/.p2pme` is the default."""

from __future__ import annotations

import os
from pathlib import Path

from p2pfl_me.errors import P2pmeError


def home() -> Path:
    """The private folder of this user; it need not exist yet."""
    return Path(os.environ.get("P2PME_HOME") or "~/.p2pme").expanduser()


def keys_dir(folder: Path) -> Path:
    """The folder of private keys below `folder`, made with mode 0700."""
    return _private(folder / "keys")


def cache_dir(folder: Path) -> Path:
    """The folder of derived data (features, backbones, drawn clips) below `folder`, made with mode 0700."""
    return _private(folder / "cache")


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise P2pmeError(
            f"cannot make this private folder: {error.strerror}",
            where=str(path),
            fix="set P2PME_HOME to a folder you may write to",
        ) from error
    return path
