"""Which serial port has the board: by the numbers of its USB adapter, and by what it answers to HELLO."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serial.tools import list_ports

from ..firmware.line import LinkError
from ..firmware.link import Link
from ..firmware.serial_line import BAUD, NoPermission, SerialLine
from .catalogue import BOARDS, Board


@dataclass(frozen=True)
class Port:
    """A serial port of a USB adapter that a board has, and what was found there."""

    name: str
    usb: tuple[int, int]  #: vendor and product
    serial_number: str  #: of the adapter; "" where it has none
    board: str = ""  #: what the board says it is; "" where none answers
    error: LinkError | None = None  #: why none answers

    def __str__(self) -> str:
        number = f", serial number {self.serial_number}" if self.serial_number else ""
        return f"{self.name} ({self.board}{number})" if self.board else f"{self.name}{number}"


def find(board: Board | None = None, serial_number: str | None = None) -> str:
    """The name of the port on which ``board`` answers, or any board of the catalogue.

    ``serial_number`` is that of its USB adapter, where there are several. Raises :class:`LinkError` unless there is
    exactly one.
    """
    what = f"a {board.key}" if board else "a board"
    usb = [board.usb] if board else sorted({each.usb for each in BOARDS.values()})
    found = look(usb, board.baud if board else BAUD, serial_number)
    answers = [port for port in found if port.board]
    right = [port for port in answers if board is None or port.board == board.key]
    if len(right) == 1:
        return right[0].name
    if right:
        raise LinkError(f"several boards answer, and a port or serial number must name one: {_listed(right)}")
    if answers:
        raise LinkError(f"another board answers in place of {what}: {_listed(answers)}")
    for port in found:
        if isinstance(port.error, NoPermission):
            rule = f"or /etc/udev/rules.d must have a rule: {udev_rule(port.usb)}"
            raise LinkError(f"{port.error}, {rule}") from port.error
    if len(found) == 1 and found[0].error:
        raise found[0].error
    if found:
        raise LinkError(f"no board answers on any of {_listed(found)}")
    numbers = " or ".join(f"{vendor:04x}:{product:04x}" for vendor, product in usb)
    with_number = f" and serial number {serial_number}" if serial_number else ""
    raise LinkError(f"no port is there that {what} could have: a USB adapter with {numbers}{with_number}")


def _listed(ports: list[Port]) -> str:
    return ", ".join(map(str, ports))


def look(usb: list[tuple[int, int]], baud: int, serial_number: str | None = None) -> list[Port]:
    """All ports of USB adapters with such numbers, by name; all are asked at the same time."""
    ports = [
        Port(info.device, (info.vid, info.pid), info.serial_number or "")
        for info in sorted(list_ports.comports(), key=lambda info: info.device)
        if (info.vid, info.pid) in usb and serial_number in (None, info.serial_number)
    ]
    with ThreadPoolExecutor(len(ports) or 1) as pool:
        return list(pool.map(lambda port: _ask(port, baud), ports))


def udev_rule(usb: tuple[int, int]) -> str:
    """The line for udev that gives the user at the desk the port of such an adapter."""
    vendor, product = usb
    return f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor:04x}", ATTRS{{idProduct}}=="{product:04x}", TAG+="uaccess"'


def _ask(port: Port, baud: int) -> Port:
    try:
        with Link(SerialLine(port.name, baud)) as link:
            return Port(port.name, port.usb, port.serial_number, link.board)
    except LinkError as error:
        return Port(port.name, port.usb, port.serial_number, "", error)
