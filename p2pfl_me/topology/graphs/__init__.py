"""One file a kind of graph. A file that is added here is found by itself, listed, drawn, and run by every engine."""
