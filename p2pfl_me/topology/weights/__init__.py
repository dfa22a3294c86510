"""One file a choice of mixing weights (`gossip.weights`). All are symmetric, so that the loss rule holds."""
