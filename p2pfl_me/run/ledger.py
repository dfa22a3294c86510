"""The egress ledger, `egress-K.jsonl`: a line for each message that left a peer, and one for many words to a neighbour
that draws them without end. It is never shortened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict

from p2pfl_me.errors import RunError
from p2pfl_me.files import open_regular, refusing
from p2pfl_me.run.declare import STRICT, LineError, Says, Whole, adapter, validated


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that left, or heartbeats or words of one kind to a neighbour, summed. Null fields are not written."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    to: Annotated[Whole, Says("the neighbour's id")]
    kind: Annotated[str, Says("of the message: offer, answer, ...; or ping")]
    bytes: Annotated[Whole, Says("header and model, before sealing", "B")]
    wire: Annotated[Whole, Says("on the wire: seals and lengths included", "B")]
    round: Annotated[Whole | None, Says("that it belongs to, from 0")] = None
    sha256: Annotated[str | None, Says("of the model that it carried", "hex")] = None
    count: Annotated[Whole | None, Says("how many heartbeats or words this line sums up")] = None


def sent_line(t: float, sent: Sent) -> str:
    """The line, without its newline."""
    return f'{{"t":{round(t, 6)!r},' + adapter(Sent).dump_json(sent, exclude_none=True).decode()[1:]


def read_ledger(path: Path) -> Iterator[Sent]:
    """What a ledger lists; lines that are damaged or torn are passed over, and an absent file lists nothing.

    Raises
    ------
    RunError
        What lies there is no file that can be read.
    """
    if not path.exists() and not path.is_symlink():
        return
    with refusing(RunError, path, "copy the run folder again", "cannot be read"), open_regular(path) as file:
        for line in file:
            try:
                yield validated(Sent, line, "ledger")
            except LineError:
                continue
