"""The register bus against its twin: random accesses, legal and not, and all that they leave behind."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.registers import BY_NAME, REGISTERS
from tests.designs import seeds
from tests.hdl.bus_bench import DESIGN, DIAGNOSED, FINGERPRINT, Cells, with_bus
from tests.hdl.test_register_loading import table_writes

READABLE = [register for register in REGISTERS if register.access != "wo"]


def random_write(rng: np.random.Generator) -> tuple[int, int, int]:
    """Address, word and byte selects of a write that is often legal and small."""
    name = str(rng.choice([register.name for register in REGISTERS if register.access != "ro"]))
    small = {"LAYER": 4, "ROW": 6, "COLUMN": 14, "LEVEL": 32, "TABLE_DATA": 64, "CONTROL": 2}
    word = int(rng.integers(small.get(name, 2**32)))
    if name in ("TABLE_ADDRESS", "GAIN"):
        word = int(rng.integers(9)) | int(rng.integers(4)) << 16
    if rng.random() < 0.1:
        word = int(rng.integers(2**32))
    address = BY_NAME[name].address if rng.random() < 0.95 else 4 * int(rng.integers(32))
    return address, word, 15 if rng.random() < 0.95 else int(rng.integers(16))


@pytest.mark.parametrize("design", [DESIGN, DIAGNOSED], ids=["plain", "with diagnostics"])
@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(seed=seeds)
def test_random_accesses(design, seed):
    rng = np.random.default_rng(seed)
    twin = RegisterBus(design).model()
    tables, cells = [], Cells()
    answers = {True: 0, False: 0}

    async def body(bus):
        async def write(address: int, word: int, select: int = 15) -> None:
            answer = await bus.access(address, word, select)
            await bus.ctx.tick().repeat(5)  # a seal and a cell are programmed
            assert (answer is None) == (twin.access(address, word, select) is None), (hex(address), hex(word), select)
            answers[answer is not None] += 1

        async def unlock() -> None:
            await write(BY_NAME["UNLOCK_LOW"].address, FINGERPRINT & 0xFFFFFFFF)
            await write(BY_NAME["UNLOCK_HIGH"].address, FINGERPRINT >> 32)

        await unlock()
        if design.diagnostics:  # the last column of a layer, and its last spare
            for column in (7, 11):
                await write(BY_NAME["COLUMN"].address, column)
                await write(BY_NAME["LEVEL"].address, 3)
            assert twin.words["ROW"] == 2
            await write(BY_NAME["COLUMN"].address, 0)
        for name in ("TABLE_DATA", "LEVEL", "SEAL", "LEVEL"):
            await write(BY_NAME[name].address, 3)
        once = int(rng.integers(60))  # at least, whatever is drawn
        for number in range(60):
            if rng.random() < 0.1 or number == once:
                await unlock()
                await write(BY_NAME["CONTROL"].address, 0)
            if rng.random() < 0.1 or number == once:
                for layer in rng.permutation(len(DESIGN.layers)).tolist():
                    await write(BY_NAME["LAYER"].address, layer)
                    await write(BY_NAME["SEAL"].address, 1)
            await write(*random_write(rng))
            register = READABLE[rng.integers(len(READABLE))]
            assert await bus.access(register.address) == twin.access(register.address), register.name
        for register in READABLE:
            assert await bus.access(register.address) == twin.access(register.address), register.name
        for index, layer in enumerate(DESIGN.layers):
            setup = getattr(bus.dut, f"setup_{index}")
            gains = [[bus.ctx.get(setup.mult[gate]), bus.ctx.get(setup.shift[gate])] for gate in range(layer.gates)]
            assert gains == twin.gains[index].tolist()

    with_bus(body, table_writes(tables), *cells.benches(), design=design)
    for found, expected in ((tables, twin.tables), (cells.seen, twin.levels)):
        held = [np.zeros_like(array) for array in expected]
        for index, *at, pattern in found:
            held[index][tuple(at)] = pattern
        assert all(np.array_equal(a, b) for a, b in zip(held, expected))
    assert min(answers.values()) > 3
    assert [seal for _, seal, _ in cells.seals].count(1) > 1
    assert [seal for _, seal, _ in cells.seals].count(0) > 0
    assert tables
    assert cells.seen
