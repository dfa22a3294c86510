"""Where units are done, as `--on` says it. Without Ray: a word is read before anything is imported."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from p2pfl_me.errors import ContractError

ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9_.-]+:[0-9]{1,5}")
RUNNING = "auto"
"""Ray's own word for the cluster that this machine is a node of."""


@dataclass(frozen=True, slots=True)
class Place:
    """This machine, or the Ray cluster at `address`. With `send` it is given prepared inputs; else every node reads the
    clips at its own path, and no clip and no feature leaves the machine that holds it."""

    address: str = ""
    send: bool = False

    @property
    def here(self) -> bool:
        return not self.address


HERE = Place()


def place_of(word: str, *, send: bool = False) -> Place:
    """From `local`, `ray` (RAY_ADDRESS, else the cluster that this machine is a node of), `auto`, [ray://]HOST:PORT.

    Raises
    ------
    ContractError
        It is none of them, or something is to be sent to nobody.
    """
    if word == "local":
        if send:
            raise ContractError(
                "inputs are sent to a cluster only", where="--send", fix="add --on ray, or leave it out"
            )
        return HERE
    address = os.environ.get("RAY_ADDRESS") or RUNNING if word == "ray" else word
    if address != RUNNING and not ADDRESS.fullmatch(address):
        raise ContractError(
            f"`{address}` is no place to work",
            where="--on" if address == word else "RAY_ADDRESS",
            fix="choose local, ray, auto, HOST:PORT or ray://HOST:PORT",
        )
    return Place(address, send)


def require_no_jobs(place: Place, jobs: int | None) -> None:
    """Refuse a number of processes where the cluster says how many there are.

    Raises
    ------
    ContractError
    """
    if jobs is not None and not place.here:
        raise ContractError(
            f"--jobs {jobs} counts processes of this machine, and the cluster's cores say how many units go on at once",
            where="--jobs",
            fix="leave --jobs out, or --on",
        )
