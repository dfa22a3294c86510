"""Published data sets, read as they were downloaded: nothing is moved, renamed or copied. One file a data set."""
