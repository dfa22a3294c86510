"""A grid whose borders meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Pairs, Placing, Topology
from p2pfl_me.topology.pairs import nearest_square


class Torus(Topology):
    kind: Literal["torus"]
    rows: PositiveInt
    columns: PositiveInt
    summary: ClassVar[str] = "a grid whose borders meet: four neighbours each (three where a side is 2)"
    needs: ClassVar[str] = "rows * columns = peers"
    placing: ClassVar[Placing] = Placing.GRID

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        rows, columns = nearest_square(count)
        return {"rows": rows, "columns": columns}

    @property
    def marks(self) -> Mapping[str, Any]:
        return {"rows": self.rows, "columns": self.columns}

    def pairs(self, count: int) -> Pairs:
        rows, columns = self.rows, self.columns
        if rows * columns != count:
            fit = nearest_square(count)
            raise ContractError(
                f"a torus of {rows} x {columns} has {rows * columns} peers, and there are {count}",
                where="topology.rows",
                fix=f"write rows: {fit[0]}, columns: {fit[1]}, or take {rows * columns} peers",
            )
        cells = [(row, column) for row in range(rows) for column in range(columns)]
        right = ((row * columns + column, row * columns + (column + 1) % columns) for row, column in cells)
        down = ((row * columns + column, (row + 1) % rows * columns + column) for row, column in cells)
        return (pair for pair in (*right, *down) if pair[0] != pair[1])
