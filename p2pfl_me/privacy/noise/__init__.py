"""The noises that a contract may name, one a file."""
