"""What a host does on a device's register bus, as generators of transactions.

Buses differ: a board's is synchronous, a simulator's is not, a link takes many accesses at once. So what a host does
is a generator. It yields :class:`Read`, :class:`Burst` and :class:`Write`; what was read is sent back into it.
:func:`run` does that for a synchronous bus; a cocotb test has the same lines with ``await``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..model.register import Register
from ..model.registers import BY_NAME

T = TypeVar("T")


class LoadError(Exception):
    """The device cannot take the image, or do what else it is asked; the message is one sentence."""


class BusError(Exception):
    """A :class:`Bus` raises it where the device answers an access with a bus error, or not at all."""


@dataclass(frozen=True)
class Read:
    """Read a register; send its value into the generator."""

    register: Register

    def __str__(self) -> str:
        return f"read of {self.register.name}"


@dataclass(frozen=True)
class Burst:
    """Read a register ``words`` times; send a list of its values into the generator."""

    register: Register
    words: int

    def __str__(self) -> str:
        return f"read of {self.register.name}"


@dataclass(frozen=True)
class Write:
    """Write a register."""

    register: Register
    value: int

    def __str__(self) -> str:
        return f"write of 0x{self.value:08X} to {self.register.name}"


Transaction = Read | Burst | Write
Steps = Generator[Transaction, Any, T]  #: transactions with a result
Transactions = Steps[None]
Progress = Callable[[int, int], None]  #: (data words written, of how many)


class Bus(Protocol):
    """A synchronous 32-bit bus with byte addresses."""

    def read(self, address: int) -> int:
        """The word at ``address``. Raises :class:`BusError`."""
        ...

    def write(self, address: int, value: int) -> None:
        """Write a word. Raises :class:`BusError`."""
        ...


def run(steps: Steps[T], bus: Bus) -> T:
    """Do ``steps`` on ``bus``; their result. Raises :class:`LoadError`, for a refused access too."""
    value: int | list[int] | None = None
    while True:
        try:
            transaction = steps.send(value)
        except StopIteration as end:
            return end.value
        value = None
        address = transaction.register.address
        try:
            match transaction:
                case Read():
                    value = bus.read(address)
                case Burst():
                    value = [bus.read(address) for _ in range(transaction.words)]
                case Write():
                    bus.write(address, transaction.value)
        except BusError as error:
            raise LoadError(f"the device refused the {transaction}") from error


def write(name: str, **values: int) -> Write:
    """A write of a register, by its name and its fields'; the fields that are not named are 0."""
    return Write(BY_NAME[name], BY_NAME[name].pack(**values))


def read(name: str) -> Steps[int]:
    """Steps that read a register, by its name."""
    return (yield Read(BY_NAME[name]))


def read_fields(name: str) -> Steps[dict[str, int]]:
    """Steps that read a register's fields, by its name."""
    return BY_NAME[name].unpack((yield from read(name)))
