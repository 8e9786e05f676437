"""A session with the board that a command is for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...firmware.link import Link


def connect(port: str | None, baud: int | None) -> "Link":
    """The board on ``port``, or on the only port that has one. Raises :class:`LoadError` where that is none."""
    from ...boards.find import find
    from ...firmware.link import Link
    from ...firmware.serial_line import BAUD, SerialLine

    return Link(SerialLine(port or find(), baud or BAUD))
