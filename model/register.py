"""What a register of a device is: its address, its access and its fields, for RTL, drivers and documents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Bits ``lsb .. lsb + width - 1`` of a register."""

    name: str
    lsb: int
    width: int
    doc: str

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """One 32-bit register."""

    name: str
    address: int  #: in bytes
    access: str
    doc: str
    fields: tuple[Field, ...] = ()

    def pack(self, **values: int) -> int:
        """The word with these field values; fields not named are 0.

        Raises ``ValueError`` for a field that does not exist or a value that does not fit.
        """
        word = 0
        known = {f.name: f for f in self.fields}
        for name, value in values.items():
            field = known.get(name)
            if field is None or not 0 <= value < 1 << field.width:
                raise ValueError(f"register {self.name} has no field {name} that holds {value!r}")
            word |= value << field.lsb
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """Every field's value in ``word``."""
        return {f.name: (word & f.mask) >> f.lsb for f in self.fields}


def flag(name: str, bit: int, doc: str) -> Field:
    """A field of one bit."""
    return Field(name, bit, 1, doc)
