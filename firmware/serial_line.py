"""A serial port as a link's line."""

import errno
import time
from contextlib import suppress

import serial

from .line import LinkError

BAUD = 1_000_000
WAIT = 0.01  #: seconds that a read of the port waits at most
WRITE_TIMEOUT = 5.0  #: seconds


class NoPermission(LinkError):
    """The user may not open the port."""


class SerialLine:
    """The port of that name, which no other process may have open.

    DTR and RTS are low, so that opening resets no board. Raises :class:`LinkError` where the port cannot be opened.
    """

    def __init__(self, port: str, baud: int = BAUD):
        self.name, self.baud = port, baud
        self._port = serial.Serial(baudrate=baud, timeout=WAIT, write_timeout=WRITE_TIMEOUT, exclusive=True)
        self._port.dtr = self._port.rts = False
        self._port.port = port
        try:
            self._port.open()
        except (OSError, ValueError) as error:
            raise _refused(port, baud, error) from error
        with suppress(AttributeError, NotImplementedError, OSError, ValueError):  # not with every port and system
            self._port.set_low_latency_mode(True)

    def time(self) -> float:
        return time.monotonic()

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkError(f"the port {self.name!r} takes no data") from error
        except OSError as error:
            raise self._gone() from error

    def read(self, timeout: float) -> bytes:
        end = self.time() + timeout
        try:
            while not (data := self._port.read(max(self._port.in_waiting, 1))) and self.time() < end:
                pass
        except OSError as error:
            raise self._gone() from error
        return data

    def close(self) -> None:
        with suppress(OSError):
            self._port.close()

    def _gone(self) -> LinkError:
        return LinkError(f"the board on {self.name!r} was unplugged")


def _refused(port: str, baud: int, error: Exception) -> LinkError:
    """Why a port cannot be opened."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return LinkError(f"there is no port {port!r}")
    if number in (errno.EACCES, errno.EPERM):
        return NoPermission(f"no permission for {port!r}: your user must be in its group, which often is dialout")
    if number in (errno.EAGAIN, errno.EBUSY):
        return LinkError(f"another process has {port!r} open")
    if isinstance(error, ValueError):
        return LinkError(f"the port {port!r} does not know {baud} baud")
    return LinkError(f"{port!r} is no serial port")
