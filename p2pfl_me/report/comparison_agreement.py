"""How the models of each set-up agree: what the graph predicts beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from p2pfl_me.contract import Contract
from p2pfl_me.report.document import Block, Table
from p2pfl_me.report.formatting import NONE, many, share
from p2pfl_me.report.methods import Setting, closing_of
from p2pfl_me.topology import Figures, directed_figures, directed_schedule_of, schedule_of, spectral_figures
from p2pfl_me.topology.mixing import MOST_EIGENVALUES

HEADER = (
    "", "models a peer and round", "n_W(0.99)", "exact after", "at most", "expected", "measured", "distance at the end",
)  # fmt: skip


def agreement_blocks(setting: Setting) -> Iterator[Block]:
    """The table of predictions and measurements."""
    rows = []
    for method in setting.methods:
        contract = method.runs[0].contract
        closing = closing_of(method)
        figures = _figures_of(contract) if contract.peers.count <= MOST_EIGENVALUES else None
        rows.append(
            (
                method.name,
                f"{figures.models_per_round:.3g}" if figures else NONE,
                f"{figures.effective_neighbours:.1f}" if figures else NONE,
                _exact(figures),
                share(closing.beta),
                share(closing.expected),
                share(closing.measured),
                f"{100 * closing.final.mean:.2g} %" if closing.final else NONE,
            )
        )
    yield Table(
        HEADER,
        tuple(rows),
        "The first five are predicted from the graph alone. At most, expected, measured: the share of the consensus "
        "distance that one exchange leaves (largest eigenvalue; when models differ at random; geometric mean over "
        f"rounds{' and seeds' * setting.several}). A graph that changes has no bound for a single round. Distance at "
        "the end: to the average model, as a share of its norm.",
    )


def _figures_of(contract: Contract) -> Figures:
    if contract.topology.one_way:
        return directed_figures(directed_schedule_of(contract))
    return spectral_figures(schedule_of(contract))


def _exact(figures: Figures | None) -> str:
    return NONE if figures is None or figures.exact_after is None else many(figures.exact_after, "round")
