"""An exact array behind a port of the RTL in the Amaranth simulator, which checks how it is read."""

import numpy as np
from amaranth.hdl import Value

from ohmgate.model.bit_fields import pack, unpack
from ohmgate.model.formats import from_wire, full_scale
from ohmgate.model.layers import Layer
from ohmgate.model.layout import logical_columns, row_drive
from ohmgate.model.network import LayerData, table_patterns
from ohmgate.model.reference import adc_codes


class PretendedArray:
    """Answers ``port`` (a ``ReadSignature``) with the codes of ``data``, after ``conversion`` (least, most) cycles.

    ``codes`` shows nonsense in every cycle but the one in which it is valid, ``done`` is low in all others. Noted are
    ``drive`` (a row of drives for each time step), ``codes`` (M readings of R * K for each) and ``starts``, the cycle of
    each time step's first ``convert``. ``cancel`` ends a conversion.
    """

    def __init__(self, port, layer: Layer, data: LayerData, rng: np.random.Generator, conversion=(2, 6), cancel=0):
        self.cancel = Value.cast(cancel)
        self.port, self.layer, self.data, self.rng, self.conversion = port, layer, data, rng, conversion
        self.columns = logical_columns(layer)
        self.gate = np.arange(layer.adcs) // (layer.adcs // layer.gates)
        self.weights = np.asarray(data.weights) * row_drive(layer)[:, None]
        self.drive, self.codes, self.starts = [], [], []

    def cycles(self) -> int:
        least, most = self.conversion
        return self.layer.conversion_cycles or int(self.rng.integers(least, most + 1))

    def drives(self, row_codes: int, hidden_drive: int) -> np.ndarray:
        """Drive of each row for what the port shows."""
        layer = self.layer
        bits = [layer.input_dac_bits or layer.dac_bits, layer.dac_bits] if layer.hidden else [layer.dac_bits] * 2
        counts = [layer.inputs, layer.hidden]
        inputs = unpack(row_codes & ~(-1 << bits[0] * counts[0]), bits[0], counts[0])
        hidden = unpack(row_codes >> bits[0] * counts[0], bits[1], counts[1])
        codes = np.concatenate([from_wire(inputs, bits[0]), from_wire(hidden, bits[1])])
        codes[layer.inputs :] *= hidden_drive
        return np.concatenate([codes, np.full(layer.bias_rows, full_scale(layer.dac_bits))])

    async def serve(self, ctx):
        port, layer = self.port, self.layer
        rows = [port.row_codes.as_value(), port.select, port.hidden_drive if layer.hidden else 1]
        rows += [port.bias_drive] if layer.diagnostics and layer.bias_rows else []
        rows = [Value.cast(row) for row in rows]
        codes, held, left, cycle = None, None, 0, 0
        while True:
            self._show(ctx, codes if left == 1 else None)
            _, _, convert, cancel, *now = await ctx.tick().sample(port.convert, self.cancel, *rows)
            if left:
                assert (convert, now) == (0, held), "not held until the codes are taken"
                left -= 1
            elif convert:
                held, codes, left = now, self._convert(cycle, *now), self.cycles() - 1
            if cancel:
                left = 0
            cycle += 1

    def _convert(self, cycle: int, row_codes: int, select: int, hidden_drive: int, bias_drive: int = 1) -> np.ndarray:
        drive = self.drives(row_codes, hidden_drive)
        drive[self.layer.rows - self.layer.bias_rows :] *= bias_drive
        return self.answer(cycle, drive, select)

    def answer(self, cycle: int, drive: np.ndarray, select: int) -> np.ndarray:
        """Codes of a step, which is noted."""
        if select == 0:
            self.drive.append(drive)
            self.starts.append(cycle)
        assert (drive == self.drive[-1]).all(), "rows changed within a time step"
        self.codes.append(self.exact(drive, select))
        return self.codes[-1]

    def exact(self, drive: np.ndarray, select: int) -> np.ndarray:
        """Codes (K,) of a step for ``drive`` (rows,)."""
        height = -(-self.layer.rows // self.layer.row_tiles)
        tiles = [slice(top, top + height) for top in range(0, self.layer.rows, height)]
        mult, shift = self.data.mult[self.gate], self.data.shift[self.gate]
        codes = []
        for tile in tiles:
            sums = drive[tile] @ self.weights[tile, self.columns[select]]
            coarser = self.layer.input_tile_shift if tile.start < self.layer.inputs else 0
            codes.append(adc_codes(sums, mult, shift + coarser, self.layer.adc_bits))
        return np.concatenate(codes)

    def _show(self, ctx, codes: np.ndarray | None) -> None:
        ctx.set(self.port.codes.as_value(), self.nonsense() if codes is None else pack(codes, self.layer.adc_bits))
        if not self.layer.conversion_cycles:
            ctx.set(self.port.done, codes is not None)

    def nonsense(self) -> int:
        return pack(self.rng.integers(0, 2**self.layer.adc_bits, size=self.layer.codes_at_once), self.layer.adc_bits)


async def write_tables(ctx, core, data: LayerData) -> None:
    """Load a layer's tables through its write port, if it has one."""
    layer = core.layer
    if not layer.loaded_table_bits:
        return
    for gate, row in enumerate(table_patterns(layer, data.tables).tolist()):
        for entry, pattern in enumerate(row):
            for name, value in (("en", 1), ("gate", gate), ("entry", entry), ("data", pattern)):
                ctx.set(getattr(core.table, name), value)
            await ctx.tick()
    ctx.set(core.table.en, 0)
    ctx.set(core.table.data, 0)
