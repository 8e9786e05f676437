"""The C driver as a shared library: its checks, and its load over any synchronous bus."""

import ctypes
import shutil
import subprocess
from pathlib import Path

from ohmgate.firmware import c_header
from ohmgate.firmware.transactions import BusError

COMPILER = shutil.which("gcc") or shutil.which("cc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-O2"]
NAMES = [name for name, _ in c_header.ERRORS]
KEEP_WEIGHTS, FORCE = 1, 2
POLLS = 50  #: reads of STATUS before TIMEOUT in this build

READ = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32))
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
PIECE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32
)


class Bus(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("read32", READ), ("write32", WRITE)]


class Source(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("read", PIECE)]


class Driver:
    """The shared library; every result is an error's name."""

    def __init__(self, path: Path):
        self.library = ctypes.CDLL(str(path))
        self.library.ohmgate_error_name.restype = ctypes.c_char_p
        for function in (self.library.ohmgate_check, self.library.ohmgate_check_digest):
            function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.library.ohmgate_load.argtypes = [
            ctypes.POINTER(Bus), ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint,
        ]  # fmt: skip

    def check(self, data: bytes) -> str:
        return NAMES[self.library.ohmgate_check(data, len(data))]

    def check_digest(self, data: bytes) -> str:
        return NAMES[self.library.ohmgate_check_digest(data, len(data))]

    def load(self, device, data: bytes, flags: int = 0) -> str:
        """Load over ``device.read(address)`` and ``device.write(address, value)``; what these raise is raised here.

        A :class:`BusError` is the bus's failure, which the driver has to report.
        """
        return self._loaded(device, lambda bus: self.library.ohmgate_load(bus, data, len(data), flags))

    def load_from(self, device, read, flags: int = 0) -> str:
        """Load an image in pieces: ``read(offset, count)`` gives bytes, or None where it fails."""

        def piece(_, offset, to, count):
            found = read(offset, count)
            if found is None:
                return 1
            assert len(found) == count, "more was asked than there is"
            ctypes.memmove(to, found, count)
            return 0

        source = Source(None, PIECE(piece))
        return self._loaded(
            device, lambda bus: self.library.ohmgate_load_from(bus, ctypes.byref(source), ctypes.c_uint(flags))
        )

    def _loaded(self, device, call) -> str:
        failures: list[BaseException] = []
        result = NAMES[call(ctypes.byref(bus_of(device, failures)))]
        if failures:
            raise failures[0]
        return result


def bus_of(device, failures: list[BaseException]) -> Bus:
    """A bus for C from ``device.read`` and ``device.write``; what they raise beside BusError goes to ``failures``."""

    def guarded(access) -> int:
        try:
            access()
        except BusError:
            return 1
        except BaseException as error:  # a callback cannot raise through C
            failures.append(error)
            return 1
        return 0

    def read(_, address, value):
        return guarded(lambda: value.__setitem__(0, device.read(address)))

    def write(_, address, value):
        return guarded(lambda: device.write(address, value))

    return Bus(None, READ(read), WRITE(write))


def build(folder: Path, *options: str) -> Driver:
    """Compile the driver in ``folder``, with every warning an error."""
    c_header.write(folder)
    library = folder / "ohmgate.so"
    command = [COMPILER, *STRICT, f"-DOHMGATE_POLLS={POLLS}ul", "-shared", "-fPIC", "-o", library]
    subprocess.run([*command, *options, folder / "ohmgate.c"], check=True, capture_output=True)
    return Driver(library)
