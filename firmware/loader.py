"""Loads an image over a device's register bus. Order of the transactions:

1. Read ID, VERSION, FINGERPRINT and LAYERS and compare them. Nothing has been written so far.
2. For each layer, select it and compare GEOMETRY and FORMAT.
3. Stop the device: CONTROL with RESET and CLEAR, without ENABLE.
4. Write the fingerprint to UNLOCK; STATUS must have UNLOCKED, and SEALED where cells are kept.
5. For each layer, write cells, gains and tables; then wait until STATUS has no PROGRAMMING. It must have no ERROR.
6. Where cells were written, give each layer its seal, and wait again.
7. ENABLE.

The device takes a layer's seal away before it programs a cell of it, and refuses ENABLE without all seals. Cells come
before gains and tables. So a load that was cut leaves the old network as it was, or a device that does not run, also
after its power was gone. Where cells are kept, they are to be those of the same network.
"""

from collections.abc import Iterator

import numpy as np

from ..model.design import Design
from ..model.layers import Layer
from ..model.layout import physical_order
from ..model.network import LayerData, Network, table_patterns
from ..model.registers import BY_NAME, ID_VALUE, VERSION_VALUE, layer_fields
from .chip.calibration import Trims, set_trims
from .chip.cells import program
from .chip.diagnosis import Diagnosis
from .chip.placement import Placement, place
from .chip.record import ArrayRecord, ChipRecord
from .image import ImageError, unpack
from .transactions import LoadError, Progress, Steps, Transactions, Write, read, read_fields, write

POLLS = 1_000_000  #: reads of STATUS while cells are being programmed


def load(
    image: bytes | Network,
    *,
    weights: bool = True,
    force: bool = False,
    progress: Progress | None = None,
    polls: int = POLLS,
    signed_by: bytes | None = None,
    record: ChipRecord | None = None,
) -> Transactions:
    """Transactions that load ``image`` and enable the device.

    ``weights=False`` leaves the cells as they are (they keep their levels without power) and writes gains and
    tables only. ``force`` skips all comparisons before UNLOCK, so that the device itself has to refuse.
    ``progress`` is called after each gate and row; ``polls`` bounds the reads of STATUS while cells are being
    programmed. With ``signed_by``, a public key of 32 bytes, the image must have its signature. With ``record``, what
    is known of this chip, weights are placed around its stuck cells, and its trims and spares are set, to 0 and to
    none where they are not known; without, they stay as they are. Raises :class:`ImageError` at once for a bad image,
    :class:`DesignError` for a record of other arrays and, while it runs, :class:`LoadError`.
    """
    if isinstance(image, Network) and signed_by is not None:
        raise ImageError("signature: a network has none: give the bytes of a signed image")
    network = image if isinstance(image, Network) else unpack(image, signed_by)
    if record is not None:
        record.check(network.design)
    return _load(network, weights, force, progress or (lambda done, total: None), polls, record)


def check_sequences(design: Design) -> Transactions:
    """Raise :class:`LoadError` where the device has refused a sequence, which has no results, since its last CLEAR.

    Only designs with layers in reverse refuse any: those of more than ``max_steps`` steps.
    """
    if not design.max_steps:
        return
    found = yield from read_fields("SEQUENCES")
    if found["TOO_LONG"]:
        raise LoadError(
            f"the device has refused a sequence of more than the {found['MAX_STEPS']} steps that it keeps: it has no "
            "results"
        )


def _load(
    network: Network, weights: bool, force: bool, progress: Progress, polls: int, record: ChipRecord | None
) -> Transactions:
    if not force:
        yield from compare_device(network)
    status = yield from stop(network.design)
    if not weights and not status["SEALED"]:
        raise LoadError("the device's cells were not loaded to the end; load it with its weights")
    spares = record is not None
    total, done = sum(_words(layer, weights, spares) for layer in network.design.layers), 0
    for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
        yield Write(BY_NAME["LAYER"], index)
        for group in _data(layer, data, weights, record and record.layers[index]):
            yield from group
            done += sum(w.register.name in ("GAIN", "TABLE_DATA", "LEVEL") for w in group)
            progress(done, total)
    status = yield from programmed(polls)
    if status["ERROR"]:
        raise LoadError("STATUS has ERROR: the device answered an access with a bus error while it was loaded")
    if weights:
        yield from seal(network.design, polls)
    if record is not None:
        for index, (layer, data) in enumerate(zip(network.design.layers, network.layers)):
            yield from _adjust(layer, index, data, record.layers[index])
    yield write("CONTROL", ENABLE=1)


def stop(design: Design) -> Steps[dict[str, int]]:
    """Steps that stop a device and unlock it; STATUS then. They raise :class:`LoadError` where it refuses."""
    fingerprint = int(design.fingerprint, 16)
    yield write("CONTROL", RESET=1, CLEAR=1)
    yield Write(BY_NAME["UNLOCK_LOW"], fingerprint & 0xFFFFFFFF)
    yield Write(BY_NAME["UNLOCK_HIGH"], fingerprint >> 32)
    status = yield from read_fields("STATUS")
    if status["REFUSED"] or not status["UNLOCKED"]:
        raise LoadError(f"the device refused the fingerprint {design.fingerprint}")
    return status


def seal(design: Design, polls: int = POLLS) -> Transactions:
    """Transactions that give every layer its seal, after its last cell."""
    for index in range(len(design.layers)):
        yield Write(BY_NAME["LAYER"], index)
        yield Write(BY_NAME["SEAL"], 1)
    yield from programmed(polls)


def placement(layer: Layer, data: LayerData, known: ArrayRecord) -> Placement:
    """Where the weights of a layer go in the chip of which this is ``known``."""
    return place(layer, np.asarray(data.weights)[:, physical_order(layer)], known.kinds)


def _adjust(layer: Layer, index: int, data: LayerData, known: ArrayRecord) -> Transactions:
    """Trims and spares."""
    if not layer.diagnostics:
        return
    chip = Diagnosis(layer, index)
    yield from chip.begin()
    yield from chip.put_spares(placement(layer, data, known).spares)
    yield from set_trims(chip, known.trims or Trims.none(layer))
    yield from chip.end()


def programmed(polls: int = POLLS) -> Steps[dict[str, int]]:
    """Steps that wait until nothing is being programmed; STATUS then. They raise :class:`LoadError` in the end."""
    for _ in range(polls):
        status = yield from read_fields("STATUS")
        if not status["PROGRAMMING"]:
            return status
    raise LoadError(f"the device is still programming cells after {polls} reads of STATUS")


def compare_device(network: Network) -> Transactions:
    """Transactions that compare the device with what ``network`` was made for; only LAYER is written.

    They raise :class:`LoadError` for the first difference.
    """
    fingerprint = int(network.design.fingerprint, 16)
    found = yield from read("ID")
    if found != ID_VALUE:
        raise LoadError(f"the device's ID must be 0x{ID_VALUE:08X}, not 0x{found:08X}")
    major = (yield from read_fields("VERSION"))["MAJOR"]
    expected = BY_NAME["VERSION"].unpack(VERSION_VALUE)["MAJOR"]
    if major != expected:
        raise LoadError(f"the device's register table must have version {expected}, not {major}")
    low = yield from read("FINGERPRINT_LOW")
    high = yield from read("FINGERPRINT_HIGH")
    if high << 32 | low != fingerprint:
        raise LoadError(
            f"the device was built for the design with fingerprint {high << 32 | low:016x}, "
            f"but the image is of {fingerprint:016x}"
        )
    found = yield from read("LAYERS")
    if found != len(network.layers):
        raise LoadError(f"the device has {found} layers, but the image has {len(network.layers)}")
    yield from _compare_layers(network)


def _compare_layers(network: Network) -> Transactions:
    for index, layer in enumerate(network.design.layers):
        yield Write(BY_NAME["LAYER"], index)
        for name, values in layer_fields(layer).items():
            found = yield from read_fields(name)
            for field, value in values.items():
                if found[field] != value:
                    raise LoadError(
                        f"layer {index}: the device's {name}.{field} is {found[field]}, but the image has {value}"
                    )


def _data(layer: Layer, data: LayerData, weights: bool, known: ArrayRecord | None) -> Iterator[list[Write]]:
    """Lists of writes, one for each row of cells and for each gate's gain and table."""
    if weights:
        levels = placement(layer, data, known or ArrayRecord()).levels
        yield from program(layer, levels if known else levels[:, : layer.columns])
    for gate, (mult, shift) in enumerate(zip(data.mult, data.shift)):
        yield [write("GAIN", GATE=gate, MULT=int(mult), SHIFT=int(shift))]
    if layer.loaded_table_bits:
        for gate, entries in enumerate(table_patterns(layer, data.tables).tolist()):
            yield [write("TABLE_ADDRESS", GATE=gate, ENTRY=0)] + [
                Write(BY_NAME["TABLE_DATA"], entry) for entry in entries
            ]


def _words(layer: Layer, weights: bool, spares: bool) -> int:
    table, columns = layer.gates * layer.loaded_entries, layer.all_columns if spares else layer.columns
    return layer.gates + table + (layer.rows * columns if weights else 0)
