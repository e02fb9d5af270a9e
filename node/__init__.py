"""The process of one authority: what others call, what it carries to them, what its own people and systems ask of it.

    node                   everything put together; home, settings, opening: what it stands on
    peerport, collector    what other authorities call, or what a node without an address fetches
    carrying, witnessing   couriers and calls to others; our log and theirs before witnesses
    local, cli             the local API and the command line
    watch, housekeeping    alarms, and what is cleared; backups, inspecting, replacing: what an operator asks for
    demo, benches          see it work; measure it
"""
