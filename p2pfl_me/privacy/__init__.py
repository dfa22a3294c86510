"""What protects a lab from its neighbours: a budget that is kept, noise, and how much either is worth.

Floor 2 of the house: vectors and numbers in, vectors and numbers out. No socket and no torch; the accountant is an
extra and is imported where something is counted, never where a contract is read.
"""
