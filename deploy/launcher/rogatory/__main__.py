"""`python -m rogatory`: the same as the command; how the program starts another of itself."""

from rogatory import main

main()
