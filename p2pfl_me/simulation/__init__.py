"""The same cores on a virtual clock with a faulty network, and in lockstep for thousands of peers."""
