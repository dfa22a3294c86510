"""Whether another node would compute the same bits: the same program and the same versions of what it computes with."""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import p2pfl_me
from p2pfl_me.errors import PeerError

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless")

Program = tuple[tuple[str, str], ...]
"""Names and versions; of this program the digest of its own files, too."""


@lru_cache(maxsize=1)
def program() -> Program:
    """What this process runs."""
    folder = Path(p2pfl_me.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return (
        ("p2pfl_me", f"{p2pfl_me.__version__} with files {digest.hexdigest()[:12]}"),
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        *((name, metadata.version(name)) for name in PACKAGES),
    )


def require_same(driver: Program) -> None:
    """Refuse to work for a driver that runs something else.

    Raises
    ------
    PeerError
        It names this node, and both versions.
    """
    for (name, there), (_, own) in zip(driver, program(), strict=True):
        if there != own:
            raise PeerError(
                f"this node has {name} {own}, and the command was given under {there}: other bits would come out",
                where=f"node {platform.node()}",
                fix="install the same versions on all nodes",
            )
