"""From a run to a model in use: the export to a file for small devices, and what a model says of an input."""
