"""Every figure by the name of its files, to draw it again from its CSV. The graph alone is drawn from its contract."""

from __future__ import annotations

from matplotlib.figure import Figure

from p2pfl_me.report.arms_picture import arms_figure
from p2pfl_me.report.comparison_pictures import DRAW
from p2pfl_me.report.confusion_picture import confusion_figure
from p2pfl_me.report.consensus_picture import consensus_figure
from p2pfl_me.report.document import Draw, drawn, settled
from p2pfl_me.report.score_picture import scores_figure
from p2pfl_me.report.style import WIDTH
from p2pfl_me.report.traffic_picture import traffic_figure

FIGURES: dict[str, Draw] = {
    "result": arms_figure,
    "triple": arms_figure,
    "scores": scores_figure,
    "consensus": consensus_figure,
    "confusion": confusion_figure,
    "traffic": traffic_figure,
    **DRAW,
}


def figure_from_csv(name: str, numbers: str, width: float = WIDTH) -> Figure:
    """Draw NAME.png's figure from the text of NAME.csv, `width` inches wide; inside `house_style`."""
    return settled(drawn(FIGURES[name], numbers, width))
