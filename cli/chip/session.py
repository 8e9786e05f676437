"""What every command of ``ohmgate chip`` works with: a simulated chip, its network and its record."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ...analog.config_file import load_config
from ...analog.converters import AdcErrors
from ...model.formats import check_integer, check_integer_or
from ...model.network import Network
from ...model.prerequisites import require_place
from ...model.refit import with_spares
from .. import runs
from ..console import Step, Steps, say
from ..inputs import dataset_of, inputs_of, labels_of, sent_of

if TYPE_CHECKING:
    from ...firmware.chip.record import ChipRecord
    from ...firmware.transactions import Steps as BusSteps

T = TypeVar("T")

Source = Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")]
ArrayName = Annotated[
    str, typer.Option("--array", help="What its arrays are made of: a preset, or a .toml file (docs/array.md).")
]
ChipSeed = Annotated[int, typer.Option("--seed", help="Which chip of all those.")]
Spares = Annotated[
    int | None,
    typer.Option(help="Spare columns of every ADC.", show_default="the design's, else 0"),
]
Record = Annotated[Path, typer.Option(help="The chip's record, a JSON file: read if it is there, and written.")]
Known = Annotated[
    Path | None, typer.Option("--record", help="The chip's record.", show_default="nothing is known of it")
]
Age = Annotated[float, typer.Option(help="Seconds that pass after the chip was loaded, before it is read.")]


def check_sequences(sequences: int) -> None:
    """Raise :class:`DesignError` for a number of sequences that is none."""
    check_integer_or("sequences", sequences, 1, 100_000, 0, "no accuracy")


class Session:
    """A simulated chip; its register bus is all that is used of it, but for its age and its results."""

    def __init__(
        self, source: Path, array: str, seed: int, spares: int | None, record: Path | None, known: bool = False
    ) -> None:
        """``record`` is read if it is there; it must be where it is to be ``known``."""
        from ...firmware.chip.diagnosis import TrimSteps
        from ...firmware.chip.record import ChipRecord
        from ...sim.simulated_chip import SimulatedChip

        check_integer("seed", seed, 0, 2**31 - 1)
        if record is not None and not known:
            require_place(record)
        self.source, self.file = source, record
        network = runs.read_network(source)
        self.network: Network = replace(network, design=with_spares(network.design, spares))
        serial = f"{Path(array).stem} {seed}"
        config = load_config(array)
        adc = config.adc or AdcErrors()
        trim_steps = TrimSteps(adc.offset_trim, adc.gain_trim)
        self.record: ChipRecord = ChipRecord.new(serial, self.network.design, trim_steps)
        if record is not None and (known or record.exists()):
            self.record = ChipRecord.load(record, self.network.design)
            self.record.check_chip(serial, trim_steps)
        self.chip = SimulatedChip(self.network.design, config, seed)

    def do(self, steps: "BusSteps[T]") -> T:
        """Do ``steps`` on the chip's register bus."""
        from ...firmware.transactions import run

        return run(steps, self.chip)

    def load(self, age: float = 0.0) -> None:
        """Load the network, with all that is known of the chip, and let it grow older."""
        from ...firmware.loader import load

        self.do(load(self.network, record=self.record))
        if age:
            self.chip.pass_time(age)

    def keep(self, record: "ChipRecord") -> None:
        """Note ``record``, in its file, too."""
        self.record = record
        if self.file is not None:
            record.save(self.file)

    def note(self, what: str, **figures: object) -> None:
        """Note an event of today."""
        self.keep(self.record.with_event(what, datetime.now(UTC).date().isoformat(), **figures))

    def accuracy(self, sequences: int, dataset: str | None, data: Path | None) -> str:
        """How many of the first test sequences the chip, as it is, puts into their class; empty without classes."""
        if not sequences:
            return ""
        name = dataset_of(self.network, dataset, self.source)
        codes, lengths = inputs_of(self.network, name, sequences, 0, self.source, data)
        labels = labels_of(self.network, name, len(lengths), data)
        _, classes = self.chip.run(*sent_of(self.network, codes, lengths))
        if labels is None or classes is None:
            return ""
        return f", accuracy {100 * (classes == labels).mean():.2f} % of {len(lengths)} sequences"

    def tell(self, text: str) -> None:
        """A line of the result, about this chip."""
        say(f"chip {self.record.serial}: {text}")


class Told:
    """Progress of steps that name what they do: a bar for each name."""

    def __init__(self, steps: Steps) -> None:
        self.steps, self.bars = steps, dict[str, Step]()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self.bars:
            self.bars[what] = Step(self.steps, what, total)
        self.bars[what].update(done, total)
        if done == total:
            self.bars[what].finish()


@contextmanager
def told() -> Iterator[Told]:
    """Progress of a chip's steps."""
    with Steps() as steps:
        yield Told(steps)
