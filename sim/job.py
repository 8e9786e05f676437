"""What a co-simulation is asked to do, and the files that carry it into the simulator's process and back."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..analog.config import ArrayConfig, paced
from ..analog.inference import network_of_chip
from ..analog.tiled_array import TiledArray, make_array
from ..firmware.image import pack, unpack
from ..model.design import Design
from ..model.files import whole
from ..model.formats import DesignError, check_choice, check_integer
from ..model.network import Network
from ..model.records import from_table
from ..model.reference import check_inputs, check_votes

SCENARIOS = ("inference", "reset_sweep", "refusal", "diagnostics")
SERVICES = ("none", "trims", "all")
STALLS = (
    "input without a gap",
    "input after a gap",
    "input taken at once",
    "input held back",
    "result taken at once",
    "result refused first",
)
MacroPaths = list[tuple[str, ...]]  #: where each layer's macro is: names of instances, from the chip's top down


@dataclass(frozen=True)
class Timing:
    """Random waits; pairs are the lowest and highest number of cycles, drawn afresh each time."""

    conversion: tuple[int, int] = (4, 4)  #: of macros that say when; 2 is the least
    programming: tuple[int, int] = (2, 2)
    input_gaps: int = 0  #: idle cycles before an input
    output_gaps: int = 0  #: cycles for which a result is refused

    def __post_init__(self) -> None:
        for name in ("conversion", "programming"):
            low, high = getattr(self, name)
            check_integer(f"least {name} cycles", low, 2, 60000)
            check_integer(f"most {name} cycles", high, low, 60000)
        check_integer("input gaps", self.input_gaps, 0, 60000)
        check_integer("output gaps", self.output_gaps, 0, 60000)


def lasts(config: ArrayConfig, design: Design) -> bool:
    """Has an array of the design noise that lasts from step to step of a sequence?"""
    if config.cells is None and config.redraw != "per_sequence":
        return False
    for layer in design.layers:
        array = make_array(layer, paced(config, design.layers))
        tiles = array.tiles if isinstance(array, TiledArray) else [array]
        if any(bool(tile.slow_noise) for tile in tiles):
            return True
    return False


def check_noise(config: ArrayConfig, design: Design) -> None:
    """Raise :class:`DesignError` for noise that lasts from step to step where sequences interleave."""
    if design.contexts > 1 and lasts(config, design):
        raise DesignError(
            "the array's noise must be none that lasts for a sequence where sequences interleave: "
            f"contexts must be 1 for it, not {design.contexts}"
        )


@dataclass(frozen=True)
class DeviceJob:
    """One chip: its network, the sequences it gets, its array model and its timing.

    With ``votes`` = v, each v sequences have one result (:func:`~ohmgate.model.reference.repeated`).
    """

    network: Network
    codes: np.ndarray  #: (B, T, m) DAC codes
    lengths: np.ndarray  #: (B,)
    array: ArrayConfig = field(default_factory=ArrayConfig)
    timing: Timing = field(default_factory=Timing)
    seed: int = 0
    scenario: str = "inference"
    resets: int = 0  #: of a reset sweep, each way; 0: one in every cycle of a time step
    #: before an inference: none, the ADCs are trimmed, or stuck cells are found first; of designs with diagnostics
    service: str = "none"

    def __post_init__(self) -> None:
        check_choice("scenario", self.scenario, SCENARIOS)
        if self.scenario == "diagnostics" and not self.network.design.diagnostics:
            raise DesignError("the scenario diagnostics needs a design whose layers have diagnostics = true")
        check_choice("service", self.service, SERVICES)
        if self.service != "none" and not self.network.design.diagnostics:
            raise DesignError("a service needs a design whose layers have diagnostics = true")
        check_integer("resets", self.resets, 0, 60000)
        check_noise(self.array, self.network.design)
        codes, lengths = check_inputs(self.network, self.codes, self.lengths)
        check_votes(self.network.design, len(lengths))
        object.__setattr__(self, "codes", codes)
        object.__setattr__(self, "lengths", lengths)


@dataclass
class LayerRecord:
    """What was seen at one layer's array and trace ports, in the order of time, or of interleaved sequences.

    ``drive`` (steps, rows), ``adc`` (steps * M, R * K); ``gates`` (steps * M, K), ``cell`` and ``hidden``
    (steps * M, lanes) for an LSTM whose build has trace ports. ``busy`` (steps,) are the cycles in which the array
    had converted by the first of each step's conversions. ``starts`` are the clock cycles in which conversions
    began, ``adc_cycles`` those in which their codes were valid, the others those of the traces: (steps * M,) each.
    """

    drive: np.ndarray
    adc: np.ndarray
    starts: np.ndarray
    adc_cycles: np.ndarray
    gates: np.ndarray | None = None
    cell: np.ndarray | None = None
    hidden: np.ndarray | None = None
    gates_cycles: np.ndarray | None = None
    cell_cycles: np.ndarray | None = None
    hidden_cycles: np.ndarray | None = None
    busy: np.ndarray | None = None


@dataclass
class DeviceRecord:
    """What one chip did: stream results, readings of every layer, registers at the end, clock cycles.

    ``stalls`` are the transfers of the streams that had to wait, or not, by the names of :data:`STALLS`.
    """

    out: list[int]  #: payloads of the output stream
    layers: list[LayerRecord]
    registers: dict[str, int]  #: empty where the register bus no longer answers
    facts: dict[str, Any]  #: of the scenario; ``sequences`` are the indices of those that were run, in order
    out_cycles: list[int]  #: clock cycles in which the payloads were taken
    violations: list[str]  #: rules of its ports that the chip broke, in the order of time
    stalls: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What the bench in the simulator's process is asked to do."""

    jobs: list[DeviceJob]
    trace: bool  #: has the build trace ports?
    macros: list[MacroPaths]  #: of each chip


def write_task(folder: Path, task: Task) -> None:
    """Put ``task`` into ``folder`` for :func:`read_task`, with the gains that each chip has."""
    entries = []
    for number, (job, macros) in enumerate(zip(task.jobs, task.macros)):
        with whole(folder / f"device_{number}.image") as part:
            part.write_bytes(pack(network_of_chip(job.network, job.array, job.seed)))
        with whole(folder / f"device_{number}.npz") as part:
            np.savez(part, codes=job.codes, lengths=job.lengths)
        entries.append(
            {
                "array": asdict(job.array),
                "timing": asdict(job.timing),
                "rest": [job.seed, job.scenario, job.resets, job.service],
                "macros": macros,
            }
        )
    with whole(folder / "job.json") as part:
        part.write_text(json.dumps({"trace": task.trace, "devices": entries}, indent=1))


def read_task(folder: Path) -> Task:
    """The task in ``folder``."""
    content = json.loads((folder / "job.json").read_text())
    jobs, macros = [], []
    for number, entry in enumerate(content["devices"]):
        with np.load(folder / f"device_{number}.npz") as arrays:
            codes, lengths = arrays["codes"], arrays["lengths"]
        network = unpack((folder / f"device_{number}.image").read_bytes())
        array = from_table(ArrayConfig, entry["array"], "job", "an array")
        timing = from_table(Timing, entry["timing"], "job", "a timing")
        jobs.append(DeviceJob(network, codes, lengths, array, timing, *entry["rest"]))
        macros.append([tuple(path) for path in entry["macros"]])
    return Task(jobs, content["trace"], macros)


def write_record(folder: Path, number: int, record: DeviceRecord) -> None:
    """Leave a chip's record for the process that started the simulation."""
    arrays = {}
    for index, layer in enumerate(record.layers):
        arrays |= {f"{index}_{name}": value for name, value in vars(layer).items() if value is not None}
    with whole(folder / f"record_{number}.npz") as part:
        np.savez(part, **arrays)
    content = {"out": [hex(v) for v in record.out], "registers": record.registers, "facts": record.facts}
    content |= {"out_cycles": record.out_cycles, "violations": record.violations, "stalls": record.stalls}
    with whole(folder / f"record_{number}.json") as part:
        part.write_text(json.dumps(content))


def read_record(folder: Path, number: int, layers: int) -> DeviceRecord:
    """A chip's record. Raises :class:`DesignError` if the simulation left none."""
    path = folder / f"record_{number}.json"
    if not path.exists():
        raise DesignError(f"the simulation of chip {number} ended without a record; its log is in {str(folder)!r}")
    content = json.loads(path.read_text())
    with np.load(folder / f"record_{number}.npz") as arrays:
        records = [
            LayerRecord(**{k.split("_", 1)[1]: arrays[k] for k in arrays.files if k.split("_", 1)[0] == str(index)})
            for index in range(layers)
        ]
    out = [int(v, 16) for v in content.pop("out")]
    return DeviceRecord(out=out, layers=records, **content)
