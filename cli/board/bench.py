"""``ohmgate board bench``."""

import time

import typer

from .. import runs
from ..console import Steps, say
from ..inputs import dataset_of, inputs_of
from ..options import Data, Dataset
from .connect import connect
from .options import Baud, Network, Port

EXAMPLES = """Example: `ohmgate board bench runs/demo`, after `ohmgate board load runs/demo`."""

ROUND_TRIPS = 100
SEQUENCES = 50  #: that are looked at for the board's buffer, and sent over the line


def command(
    source: Network,
    port: Port = None,
    baud: Baud = None,
    dataset: Dataset = None,
    data: Data = None,
) -> None:
    """Measure a board: steps a second from its own memory and over the line, and where the time goes."""
    from ...boards.noise import noise_of
    from ...boards.session import against_reference, begin, classify, compute_speed, fitted
    from ...firmware.transactions import LoadError
    from ...hdl.accelerator import layer_latency
    from ...model.registers import BY_NAME

    network = runs.read_network(source)
    dataset = dataset_of(network, dataset, source)
    codes, lengths = inputs_of(network, dataset, SEQUENCES, 0, source, data)
    with connect(port, baud) as link, Steps() as steps:
        network = fitted(link, network)
        begin(link)
        if not noise_of(link).silent:
            raise LoadError("the board's arrays have noise, which bench does not compare: load without --noise")
        with steps.step("Computing from the board's memory"):
            speed = compute_speed(link, network, codes, lengths)
        with steps.step("Streaming over the line"):
            began = time.monotonic()
            got = classify(link, network, codes, lengths)
            streamed = int(lengths.sum()) / (time.monotonic() - began)
        with steps.step("Waiting for answers"):
            began = time.monotonic()
            for _ in range(ROUND_TRIPS):
                link.read(BY_NAME["ID"].address)
            trip = (time.monotonic() - began) / ROUND_TRIPS
    layer = max(network.design.layers, key=lambda layer: layer.rows * layer.columns)
    tail, cycles = layer_latency(layer) - 1, speed.cycles_per_step
    megahertz = speed.clock_hz / 1e6
    say(f"computing: {speed.steps_per_second:,.0f} time steps/s, {cycles:.1f} cycles each at {megahertz:g} MHz")
    say(f"of these cycles {tail} are the periphery's after the largest array's last conversion ({tail / cycles:.0%})")
    operations = 2 * sum(layer.rows * layer.columns for layer in network.design.layers if not layer.at_end)
    rate = operations * speed.steps_per_second / 1e9
    say(f"{rate:.2f} GOp/s, 2 operations a cell and step; heads that answer at the end are left out")
    say(f"over the line: {streamed:,.0f} time steps/s; a question and its answer take {1000 * trip:.2f} ms")
    found = against_reference(network, codes, lengths, got)
    say(
        f"{speed.replayed.results} results from memory {'agree' if speed.agrees else 'differ'}; over the line {found}"
    )
    if not (speed.agrees and found.agrees):
        raise typer.Exit(1)
