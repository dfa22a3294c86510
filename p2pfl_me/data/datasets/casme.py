"""CASME (Yan et al., FG 2013): 60 frames/s; `sub01/EP01_12/..`; two apexes, of which the first is taken."""

from __future__ import annotations

from dataclasses import replace

from p2pfl_me.data.datasets.casme2 import CASME2

CASME = replace(
    CASME2,
    name="casme",
    title="CASME",
    fps=60,
    sought="a sheet with OnsetF, ApexF1, OffsetF beside CASME_raw_selected/sub01/EP.. or Cropped/sub01/EP..",
    labels=frozenset(
        ("happiness", "disgust", "surprise", "repression", "others", "fear", "sadness", "tense", "contempt", "anger")
    ),
    needed={
        "subject": ("subject",),
        "clip": ("filename",),
        "onset": ("onsetf",),
        "apex": ("apexf1", "apexf"),
        "offset": ("offsetf",),
        "label": ("emotion", "estimatedemotion"),
    },
)
