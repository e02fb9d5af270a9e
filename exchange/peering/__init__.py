"""What we know of other authorities' logs, what they know of ours, and whom we witness.

    peers        their heads, as they last proved them; links: ours to where each of them is; contact: prekeys and heads without a pouch
    witness      logs that the directory assigns to us, signed once and in order; witnessed, quorum: our own heads and their witnesses
    forks        two histories of one log; succession, successors: one log takes the place of another
    prekeyshelf  their prekeys, one for each wrap
"""
