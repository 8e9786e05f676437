"""``ohmgate board run``."""

from typing import Annotated

import typer

from .. import runs
from ..console import Steps, say
from ..inputs import dataset_of, inputs_of, labels_of
from ..options import Data, Dataset
from .connect import connect
from .options import Baud, Network, Port

EXAMPLES = """Examples: `ohmgate board run runs/demo --sequences 370` runs the whole test set on the board;

`ohmgate board run my.image --dataset random`. Before: `ohmgate board load`. Then: `ohmgate board bench`."""


def command(
    source: Network,
    port: Port = None,
    baud: Baud = None,
    sequences: Annotated[int, typer.Option(help="How many sequences to run, at most.")] = 10,
    dataset: Dataset = None,
    data: Data = None,
    seed: Annotated[int, typer.Option(help="Of random codes.")] = 0,
) -> None:
    """Run sequences on the board and compare every output with the reference. The image must be loaded.

    A board with noise is compared with the array model that has the same.
    """
    from ...analog.integer_noise import integer_noise_codes
    from ...boards.noise import noise_of, restart_noise
    from ...boards.session import against_reference, begin, classify, fitted
    from ...model.reference import Result
    from ...sim.levels import Sequences

    network = runs.read_network(source)
    dataset = dataset_of(network, dataset, source)
    codes, lengths = inputs_of(network, dataset, sequences, seed, source, data)
    with connect(port, baud) as link:
        network = fitted(link, network)
        begin(link)
        convert, noise = None, noise_of(link)
        if not noise.silent:
            restart_noise(link, noise)
            convert = integer_noise_codes(network, noise, lengths, codes.shape[1])
            say(f"noise: {noise}")
        with Steps() as steps, steps.step(f"Running {len(lengths)} sequences on {link.board}", len(lengths)) as step:
            got = classify(link, network, codes, lengths, lambda done: step.update(done, len(lengths)))
    found = against_reference(network, codes, lengths, got, convert)
    say(str(found))
    labels = labels_of(network, dataset, len(lengths), data)
    if labels is not None:
        data_set = Sequences(codes, lengths, labels)
        score = data_set.score(data_set.results(network, Result(got, [])))
        say(f"{data_set.metric.name} {data_set.metric.text(score)}")
    if not found.agrees:
        raise typer.Exit(1)
