"""What carries a link's bytes: a serial port, or what a test puts in its place."""

from typing import Protocol

from .transactions import LoadError


class LinkError(LoadError):
    """The board cannot be talked to; the message is one sentence."""


class Line(Protocol):
    """Bytes both ways, which may be lost or damaged but not change places, and a clock.

    All methods but ``time`` raise :class:`LinkError` where the line itself is gone.
    """

    @property
    def name(self) -> str:
        """Of the port, for sentences."""
        ...

    @property
    def baud(self) -> int:
        """Bits a second; a byte has ten."""
        ...

    def time(self) -> float:
        """Seconds, from any beginning."""
        ...

    def write(self, data: bytes) -> None:
        """Send ``data``, now or soon."""
        ...

    def read(self, timeout: float) -> bytes:
        """What has arrived; waits for it for at most ``timeout`` seconds."""
        ...

    def close(self) -> None: ...
