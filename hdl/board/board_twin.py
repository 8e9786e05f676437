"""A whole board in numbers, behind its serial line: what it was loaded with is what it runs."""

import numpy as np

from ...model.board_registers import NOISE_SEED
from ...model.design import Design
from ...model.formats import from_wire, to_wire
from ...model.integer_noise import noisy_codes
from ...model.layers import INNER_OUTPUTS
from ...model.layout import logical_order
from ...model.network import LayerData, Network, nominal_tables
from ...model.reference import Convert, run
from ...model.registers import BY_NAME, bus_address_bits
from ..register_twin import RegisterTwin
from . import flash_twin, noise_twin
from .config import BoardConfig
from .link_twin import LinkTwin
from .spi_flash import SpiFlash


class BoardTwin:
    """``receive(bytes)`` takes a piece of the line and returns what the board sends. ``registers`` are its registers.

    Time steps run through :func:`~ohmgate.model.reference.run` with gains, tables and cells as they were loaded, and
    give their results at once. None is taken while the device is not enabled. ``noise`` has the registers of
    noise: cells have the noise that these hold when a time step runs, and the count is restarted between sequences.
    ``flash`` is what the board starts from, where ``config`` has one.
    """

    def __init__(self, design: Design, config: BoardConfig, flash: SpiFlash | None = None):
        self.design, self.registers = design, RegisterTwin(design)
        self.link = LinkTwin(design, config, self._access, self._take)
        self.receive = self.link.receive
        self.network: Network | None = None  #: as loaded, since the last write
        self.noise = noise_twin.NoiseTwin() if config.noise else None
        self.codes: list[np.ndarray] = []  #: of the sequence that runs, or was the last
        self.before = self.ended = 0  #: time steps before that sequence, and sequences that ended, as counted
        self.flash = None
        if config.flash:
            assert flash is not None, "a board with a flash has one"
            self.flash = flash_twin.FlashTwin(config.flash, flash)
            self.link.boot(self.flash.frames)

    def _access(self, address: int, value: int | None) -> int | None:
        if self.noise is not None and address in noise_twin.ADDRESSES:
            if value is not None and address == NOISE_SEED.address:
                self.before, self.ended, self.codes = 0, 0, []
            return self.noise.access(address, value)
        if self.flash is not None and address in flash_twin.ADDRESSES:
            return self.flash.access(address, value)
        if address >= 1 << bus_address_bits(self.design):
            return None
        if value is not None:
            self.network = None
            if address == BY_NAME["CONTROL"].address and BY_NAME["CONTROL"].unpack(value & 7)["RESET"]:
                self._forget()
        return self.registers.access(address, value)

    def _take(self, payload: int) -> list[int] | None:
        if not self.registers.enable:
            return None
        first, last = self.design.layers[0], self.design.layers[-1]
        bits, width = first.input_bits, first.inputs * first.input_bits
        patterns = [payload >> bits * k & (1 << bits) - 1 for k in range(first.inputs)]
        marks = payload >> width & 1, payload >> width + 1 & 1
        if marks[0]:
            self._forget()
        self.codes.append(from_wire(patterns, bits))
        self.registers.count(0, 1)
        if last.at_end and not marks[1]:
            return []
        self.network = self.network or loaded_network(self.design, self.registers)
        out = run(self.network, np.array([self.codes]), convert=self._convert(self.network)).out[0]
        self.ended += marks[1]
        return [_result(self.design, out if last.at_end else out[-1], len(self.codes) == 1, marks[1])]

    def _forget(self) -> None:
        """The sequence is over."""
        self.before += len(self.codes)
        self.codes = []

    def _convert(self, network: Network) -> Convert | None:
        """Reads the arrays in a run of the sequence from its begin."""
        if self.noise is None:
            return None
        noise = self.noise.noise
        steps = [self.ended if layer.at_end else self.before for layer in network.design.layers]

        def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
            layer, at = network.design.layers[index], np.array(steps[index : index + 1])
            steps[index] += not layer.at_end
            return noisy_codes(noise, index, layer, network.layers[index], drive, at)

        return convert


def loaded_network(design: Design, registers: RegisterTwin) -> Network:
    """The network in a device's gains, tables and cells.

    Raises :class:`~ohmgate.model.formats.DesignError` where they hold none, as those that nobody has loaded.
    """
    layers = []
    for index, layer in enumerate(design.layers):
        weights = from_wire(registers.levels[index][:, logical_order(layer)], layer.weight_bits)
        tables = registers.tables[index] if layer.loaded_table_bits else None
        if tables is not None and layer.kind != "lstm":
            tables = from_wire(tables, layer.table_bits)
        elif tables is not None:  # g is signed, f, i and o are not
            tables = np.array([*tables[:3], from_wire(tables[3], layer.table_bits)])
        elif layer.tables == "constant":
            tables = nominal_tables(layer)
        mult, shift = registers.gains[index].T
        layers.append(LayerData(weights, mult, shift, tables))
    return Network(design, tuple(layers))


def _result(design: Design, values: np.ndarray, first: int, last: int) -> int:
    """Payload of ``y``."""
    layer = design.layers[-1]
    if layer.output == "argmax":
        packed, width = int(values[0]), layer.result_bits
    else:
        width = layer.result_bits
        bits = width // layer.outputs
        patterns = to_wire(values, bits) if layer.output == INNER_OUTPUTS[layer.kind] else values
        packed = sum((int(v) & (1 << bits) - 1) << bits * k for k, v in enumerate(patterns))
    return packed | first << width | last << width + 1
