"""The C driver's serial link as a shared library: sessions over a line of Python, and the bus that they give."""

import ctypes
import subprocess
from pathlib import Path

from ohmgate.firmware import c_header
from ohmgate.model import link
from tests.firmware.c_driver import COMPILER, NAMES, POLLS, STRICT, Bus, Driver

SEND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32)
RECEIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32)


class Line(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("send", SEND), ("receive", RECEIVE)]


class State(ctypes.Structure):
    """``ohmgate_link``."""

    _fields_ = [
        ("line", Line), ("error", ctypes.c_int), ("session", ctypes.c_uint32), ("number", ctypes.c_uint32),
        ("op", ctypes.c_uint32), ("address", ctypes.c_uint32), ("held", ctypes.c_uint32), ("room", ctypes.c_uint32),
        ("frame", ctypes.c_uint8 * (link.BODY_BYTES + 3)),
    ]  # fmt: skip


class CLink:
    """A session over ``line.send(bytes)`` and ``line.receive()``, which is None when the time is over."""

    def __init__(self, driver: Driver, line):
        self.library, self.state = driver.library, State()
        self.library.ohmgate_link_bus.restype = Bus

        def send(_, data, count):
            line.send(bytes(data[:count]))
            return 0

        def receive(_, byte, milliseconds):
            found = line.receive()
            if found is None:
                return 1
            byte[0] = found
            return 0

        self._line = Line(None, SEND(send), RECEIVE(receive))

    def begin(self, session: int) -> str:
        error = self.library.ohmgate_link_begin(ctypes.byref(self.state), ctypes.byref(self._line), session)
        self.bus = self.library.ohmgate_link_bus(ctypes.byref(self.state))
        return NAMES[error]

    def load(self, data: bytes, flags: int = 0) -> str:
        return NAMES[self.library.ohmgate_load(ctypes.byref(self.bus), data, len(data), flags)]

    def flush(self) -> str:
        return NAMES[self.library.ohmgate_link_flush(ctypes.byref(self.state))]

    def read(self, address: int) -> int | str:
        """The word, or the error's name."""
        value = ctypes.c_uint32()
        return NAMES[self.state.error] if self.bus.read32(self.bus.context, address, value) else value.value

    def write(self, address: int, value: int) -> str:
        return NAMES[self.state.error] if self.bus.write32(self.bus.context, address, value) else "OK"


def build(folder: Path) -> Driver:
    """Compile the driver with its link in ``folder``, with every warning an error."""
    c_header.write(folder)
    library = folder / "link.so"
    command = [COMPILER, *STRICT, f"-DOHMGATE_POLLS={POLLS}ul", "-shared", "-fPIC", "-o", library]
    subprocess.run([*command, folder / "ohmgate.c", folder / "ohmgate_link.c"], check=True, capture_output=True)
    return Driver(library)
