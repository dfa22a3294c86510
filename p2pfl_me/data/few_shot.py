"""Few-shot learning: so many training clips of each class a peer, the rest left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from p2pfl_me.choice import derive_seed
from p2pfl_me.data.manifest import Clip


def few_shot(clips: Sequence[Clip], count: int | None, seed: int) -> tuple[Clip, ...]:
    """At most `count` training clips of each class, in their order; validation and test clips stay. None: all.

    A clip is taken by its own draw from (seed, subject, clip), so it is the same one however often the rule is
    applied, and whichever other clips stand beside it do not change the draw.
    """
    if count is None:
        return tuple(clips)
    training = [clip for clip in clips if clip.split == "train"]
    taken: Counter[str] = Counter()
    left_out: set[Clip] = set()
    for clip in sorted(training, key=lambda clip: derive_seed(seed, "few_shot", clip.subject, clip.clip)):
        taken[clip.label] += 1
        if taken[clip.label] > count:
            left_out.add(clip)
    return tuple(clip for clip in clips if clip not in left_out)
