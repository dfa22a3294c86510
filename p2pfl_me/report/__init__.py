"""The convergence report: reads run folders, writes one page with its figures and their numbers.

Nothing here trains, talks to a network or imports torch. The way in is `write_report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report on `runs` into `out`; see `p2pfl_me.report.write.write_report`."""
    # Imported on use: drawing takes half a second to import, and the graph's picture needs none of this.
    from p2pfl_me.report.write import write_report as write

    return write(runs, out)
