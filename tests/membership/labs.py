"""Members with keys, and views of their contract, without a process: what membership's tests stand on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.membership.agreed import Standing, Witness, keys_of, proposed
from p2pfl_me.membership.views import View
from p2pfl_me.peer.court import KeyCourt
from p2pfl_me.peer.trust import Trust
from p2pfl_me.wire.identity import Identity, new_identity


class Members:
    """Five labs (and keys for more) on a graph; `share` of them must approve."""

    def __init__(self, topology: str = "{kind: ring}", share: float = 0.6, count: int = 5) -> None:
        self.ids = [new_identity() for _ in range(count + 2)]
        lines = "\n".join(
            f"    - {{id: {k}, address: 'tcp://lab-{k}.example:4000', public_key: '{self.ids[k].public_text}'}}"
            for k in range(count)
        )
        head = f"version: 1\nname: labs\ntopology: {topology}\ntraining: {{rounds: 40}}\n"
        self.contract = contract_from_yaml(f"{head}peers:\n  approve: {share}\n  members:\n{lines}\n")
        self.standing = Standing(0, self.contract)

    def key(self, k: int) -> Identity:
        return self.ids[k]

    def witness(self, k: int) -> Witness:
        return Witness((self.ids[k].private,))

    def court(self, k: int, home: Path) -> KeyCourt:
        """That of lab k, with what it believes of keys in the private folder `home`."""
        return KeyCourt(k, (self.ids[k].private,), self.ids[k].private, Trust(home))

    def view(self, new: Contract, by: Iterable[int], at: int = 20, standing: Standing | None = None) -> View:
        """A view approved by these."""
        under = standing or self.standing
        return self.approved(proposed(under, new, at), new, by, under)

    def approved(self, view: View, new: Contract, by: Iterable[int], under: Standing | None = None) -> View:
        verifiers = {*keys_of((under or self.standing).contract).values(), *keys_of(new).values()}
        for k in by:
            view = view.approved(k, self.ids[k].private, verifiers)
        return view
