"""The edges of a graph dealt to parts, each of which connects all peers: edge-disjoint spanning trees, and the rest.

Where every part is to reach everybody by edges of its own, the graph must hold as many edge-disjoint spanning trees as
there are parts. There are k of them exactly where whatever splits the peers into m groups leaves k (m - 1) edges
between groups (Nash-Williams 1961, Tutte 1961); that k trees are found where they exist is matroid union (Edmonds
1968): an edge that closes a circle in every forest may still enter one if an edge of that circle can move to another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from random import Random

Pair = tuple[int, int]


def connected_parts(pairs: Iterable[Pair], parts: int, seed: int) -> dict[Pair, int] | None:
    """Each edge (a, b), a < b, with its part 0..parts-1; the edges of every part connect all peers that have edges.

    Who draws from the same seed gets the same parts. None if there is no such way. Edges beyond the trees go where
    their ends have fewest.
    """
    edges = sorted(pairs)
    random = Random(seed)
    edges.sort(key=lambda _: random.random())  # else the first peer's edges would make a star of the first tree
    forests = Forests({end for edge in edges for end in edge}, parts)
    rest = [edge for edge in edges if not forests.place(edge)]
    rest = [edge for edge in rest if not forests.make_place(edge)]
    if not forests.span:
        return None
    found, degrees = dict(forests.part_of), forests.degrees
    for a, b in rest:
        part = min(range(parts), key=lambda each: (degrees[each][a] + degrees[each][b], each))
        found[a, b] = part
        degrees[part][a] += 1
        degrees[part][b] += 1
    return found


class Forests:
    """So many forests without a common edge; as large together as the offered edges allow, if `make_place` was asked
    for each that found none."""

    def __init__(self, peers: set[int], parts: int) -> None:
        self.part_of: dict[Pair, int] = {}
        self._near: list[dict[int, set[int]]] = [{peer: set() for peer in peers} for _ in range(parts)]
        self._tree = [{peer: peer for peer in peers} for _ in range(parts)]
        """part -> peer -> its tree, by one of its peers."""
        self._sizes = [0] * parts
        self._missing = parts * (len(peers) - 1)
        self._clump = {peer: peer for peer in peers}
        """peer -> one of those whom every forest connects by edges among themselves: none between them is missed."""

    @property
    def span(self) -> bool:
        """Whether each is a tree of all peers."""
        return self._missing == 0

    @property
    def degrees(self) -> list[dict[int, int]]:
        """part -> peer -> its edges there."""
        return [{peer: len(others) for peer, others in near.items()} for near in self._near]

    def place(self, edge: Pair) -> bool:
        """Take an edge into the smallest forest in which it closes no circle; whether there is one."""
        for part in sorted(range(len(self._near)), key=lambda each: (self._sizes[each], each)):
            if not self._connects(part, edge):
                self._move(edge, part, {edge: None})
                return True
        return False

    def make_place(self, edge: Pair) -> bool:
        """Take an edge in by moving others from forest to forest; whether that could be done."""
        if self.span or self._clump[edge[0]] == self._clump[edge[1]]:
            return False
        asked_by: dict[Pair, Pair | None] = {edge: None}
        waiting = deque([edge])
        while waiting:
            asking = waiting.popleft()
            for part in range(len(self._near)):
                if part == self.part_of.get(asking):
                    continue
                if not self._connects(part, asking):
                    self._move(asking, part, asked_by)
                    return True
                for other in self._path(part, *asking):
                    if other not in asked_by:
                        asked_by[other] = asking
                        waiting.append(other)
        joined = {self._clump[end] for asked in asked_by for end in asked}
        self._clump |= {peer: min(joined) for peer, clump in self._clump.items() if clump in joined}
        return False

    def _connects(self, part: int, edge: Pair) -> bool:
        return self._tree[part][edge[0]] == self._tree[part][edge[1]]

    def _move(self, edge: Pair, part: int, asked_by: Mapping[Pair, Pair | None]) -> None:
        """`edge` goes to `part`, where it joins two trees; whoever asked for its place goes there, and so on: trees in
        which one edge of a circle takes another's place stay as they are."""
        first, second = sorted((self._tree[part][edge[0]], self._tree[part][edge[1]]))
        self._tree[part] |= {peer: first for peer, tree in self._tree[part].items() if tree == second}
        self._sizes[part] += 1
        self._missing -= 1
        at: Pair | None = edge
        while at is not None:
            left = self.part_of.get(at)
            if left is not None:
                self._near[left][at[0]].remove(at[1])
                self._near[left][at[1]].remove(at[0])
            self._near[part][at[0]].add(at[1])
            self._near[part][at[1]].add(at[0])
            self.part_of[at] = part
            at = asked_by[at]
            if at is not None:
                assert left is not None, "only an edge of a forest is asked for its place"
                part = left

    def _path(self, part: int, begin: int, end: int) -> list[Pair]:
        """The edges between two peers that a forest connects."""
        near, came_from = self._near[part], {begin: begin}
        ahead = [begin]
        while end not in came_from:
            at = ahead.pop()
            for other in sorted(near[at]):
                if other not in came_from:
                    came_from[other] = at
                    ahead.append(other)
        path = []
        while end != begin:
            path.append((min(end, came_from[end]), max(end, came_from[end])))
            end = came_from[end]
        return path
