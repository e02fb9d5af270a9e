"""The group `rogatory bench` and its benches."""

import click

from node.benches.evidence import evidence
from node.benches.exchange import exchange
from node.benches.growth import growth
from node.benches.theft import theft
from node.benches.urgent import urgent
from node.benches.verify import verify


@click.group()
def bench() -> None:
    """Measure this machine. The last line of each bench is one JSON object."""


for each in (exchange, evidence, urgent, growth, theft, verify):
    bench.add_command(each)
