"""Many swarms set side by side: contracts, varied keys, ways of dealing the clips, seeds; one page over all.

The way in is `run.compare`. Every cell is an ordinary run folder, made by an engine of `engines`.
"""
