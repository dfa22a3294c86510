"""What gossip is measured against, on the same shards: isolated peers, pooled clips, FedAvg with a server.

`jobs` says what children of a launcher are to do; what they do stands in `children` and `train`, which import torch.
"""
