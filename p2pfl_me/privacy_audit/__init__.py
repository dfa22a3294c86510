"""What a neighbour would learn from a peer's messages, measured on a lab's own clips before it joins.

Floor 11 of the house: contracts are rehearsed by the simulator, and nothing is sent to anybody.
"""
