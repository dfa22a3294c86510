"""Leak-free evaluation: folds by subject, the triple isolated / gossip / pooled, pooled predictions, one page.

The way in is `run.evaluate`. Every fold is trained from scratch and takes its last round; test clips choose nothing.
"""
