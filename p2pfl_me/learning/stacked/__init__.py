"""Many peers' models as one tensor, trained side by side by products over all of them: what a GPU wants.

Shuffles and dropout masks are those that each peer's own generator draws, so a peer that is trained here can be told
from one that `trainer.FeatureTrainer` trains by rounding alone.
"""
