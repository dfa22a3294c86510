"""What would keep a peer from its run, found before it: each thing with its remedy. Nothing here trains, and no torch
is imported unless a GPU is asked for."""
