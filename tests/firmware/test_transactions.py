"""Steps on a synchronous bus."""

import pytest

from ohmgate.firmware.transactions import Burst, BusError, LoadError, Read, Write, read, read_fields, run, write
from ohmgate.model.registers import BY_NAME


class Bus:
    """Answers reads with 0, 1, 2 ... and refuses SCRATCH."""

    def __init__(self):
        self.log, self.words = [], iter(range(100))

    def read(self, address):
        if address == BY_NAME["SCRATCH"].address:
            raise BusError
        self.log.append(address)
        return next(self.words)

    def write(self, address, value):
        if address == BY_NAME["SCRATCH"].address:
            raise BusError
        self.log.append((address, value))


def test_steps_are_sent_what_was_read_and_have_a_result():
    def steps():
        assert (yield Read(BY_NAME["ID"])) == 0
        assert (yield Write(BY_NAME["ROW"], 7)) is None
        assert (yield Burst(BY_NAME["LEVEL"], 3)) == [1, 2, 3]
        assert (yield from read("STATUS")) == 4
        assert (yield from read_fields("CONTROL")) == {"ENABLE": 1, "RESET": 0, "CLEAR": 1}  # 5
        yield write("CONTROL", RESET=1)
        return "result"

    bus = Bus()
    assert run(steps(), bus) == "result"
    assert bus.log == [0x00, (0x58, 7), 0x60, 0x60, 0x60, 0x18, 0x14, (0x14, 2)]


@pytest.mark.parametrize(
    "transaction, sentence",
    [
        (Read(BY_NAME["SCRATCH"]), "the device refused the read of SCRATCH"),
        (Burst(BY_NAME["SCRATCH"], 2), "the device refused the read of SCRATCH"),
        (Write(BY_NAME["SCRATCH"], 255), "the device refused the write of 0x000000FF to SCRATCH"),
    ],
)
def test_a_refused_access_is_named(transaction, sentence):
    def steps():
        yield transaction

    with pytest.raises(LoadError) as refused:
        run(steps(), Bus())
    assert str(refused.value) == sentence
