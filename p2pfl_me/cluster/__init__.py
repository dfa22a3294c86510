"""Who does independent units of work: processes of this machine, or a Ray cluster. Callers see one interface, `Hands`.

Nothing here knows what a unit is. Whoever hands units out keeps the folder, and is the only one that writes to it.
"""
