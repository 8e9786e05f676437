"""A Cortex-M3 in QEMU that runs the example of docs/tutorials/board.md: it loads a network over its UART."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ohmgate.firmware import c_header, image
from ohmgate.firmware.c_header import ERRORS
from ohmgate.model.network import Network
from tests.firmware.c_driver import STRICT

COMPILER, SIZE, QEMU = (shutil.which(name) for name in ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"))
HERE = Path(__file__).parent / "cortex_m"
PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "board.md"
FLAGS = [flag for flag in STRICT if flag != "-O2"] + ["-Os", "-mcpu=cortex-m3", "-mthumb"]


def has_newlib() -> bool:
    """Debian has it apart from the compiler."""
    found = COMPILER and subprocess.run([COMPILER, "-print-file-name=nano.specs"], capture_output=True, text=True)
    return bool(found) and Path(found.stdout.strip()).is_absolute()


needs_compiler = pytest.mark.skipif(not has_newlib(), reason="needs gcc-arm-none-eabi and libnewlib-arm-none-eabi")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="needs qemu-system-arm")


def build(folder: Path, network: Network | bytes, *options: str, more: tuple[Path, ...] = ()) -> Path:
    """The program that loads ``network``, or an image; ``more`` are sources beside the example's."""
    c_header.write(folder)
    example = re.search(r'^```c title="uart.c"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "uart.c").write_text(example[1], encoding="utf-8")
    data = ",".join(map(str, network if isinstance(network, bytes) else image.pack(network)))
    (folder / "image.h").write_text(f"static const unsigned char image[] = {{{data}}};\n", encoding="utf-8")
    sources = [HERE / "main.c", *(folder / name for name in ("uart.c", "ohmgate.c", "ohmgate_link.c")), *more]
    link = ["-specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", HERE / "mps2.ld", "-I", folder]
    program = folder / "load.elf"
    command = [COMPILER, *FLAGS, "-ffunction-sections", "-DSESSION=1234u", *options, *link, "-o", program, *sources]
    subprocess.run(command, check=True, capture_output=True)
    return program


def run(program: Path, exchange: Callable[[bytes], bytes]) -> str:
    """The name of the error that the program ends with; ``exchange`` gives what comes back for bytes of the UART."""
    command = _command(program, "stdio")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            while sent := os.read(process.stdout.fileno(), 4096):
                process.stdin.write(exchange(sent))
            return ERRORS[process.wait(timeout=60)][0]
        finally:
            process.kill()


def run_at(program: Path, port: str) -> str:
    """As :func:`run`, with the UART at a serial port."""
    return ERRORS[subprocess.run(_command(program, port), timeout=600).returncode][0]


def _command(program: Path, serial: str) -> list[str | Path]:
    quiet = ["-display", "none", "-monitor", "none", "-semihosting-config", "enable=on,target=native"]
    return [QEMU, "-M", "mps2-an385", *quiet, "-serial", serial, "-kernel", program]
