"""`python -m p2pfl_me`: the command `p2pme`, where the folder of commands is not on the PATH."""

from p2pfl_me.cli.main import main

main()
