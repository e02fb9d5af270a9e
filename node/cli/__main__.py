"""`python -m node.cli`: the same as the command `rogatory`."""

from node.cli import main

main(prog_name="rogatory")
