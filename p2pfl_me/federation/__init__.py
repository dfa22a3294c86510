"""How several laboratories become one federation: a folder each, cards that they exchange, one contract in the end."""
