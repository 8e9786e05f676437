"""A microcontroller loads a board: the page's example on a Cortex-M3 in QEMU, whose UART ends at a device in numbers."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware import c_header, image, loader
from ohmgate.firmware.c_header import ERRORS
from ohmgate.model.design import Design
from tests.designs import random_network
from tests.firmware.c_driver import STRICT
from tests.firmware.fake_device import FakeDevice
from tests.firmware.faulty_line import FaultyLine, link_device

COMPILER, SIZE, QEMU = (shutil.which(name) for name in ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"))
HERE = Path(__file__).parent / "cortex_m"
PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "board.md"
MACHINE = ["-mcpu=cortex-m3", "-mthumb"]
FLAGS = [flag for flag in STRICT if flag != "-O2"] + ["-Os", *MACHINE]


def has_newlib() -> bool:
    """Debian has it apart from the compiler."""
    found = COMPILER and subprocess.run([COMPILER, "-print-file-name=nano.specs"], capture_output=True, text=True)
    return bool(found) and Path(found.stdout.strip()).is_absolute()


pytestmark = pytest.mark.skipif(not has_newlib(), reason="needs gcc-arm-none-eabi and libnewlib-arm-none-eabi")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="needs qemu-system-arm")


@cache
def vowels():
    return random_network(Design.load("vowels"), np.random.default_rng(0), labels=True)


def build(folder: Path, *options: str) -> Path:
    """The program that loads the vowels network."""
    c_header.write(folder)
    example = re.search(r'^```c title="uart.c"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "uart.c").write_text(example[1], encoding="utf-8")
    data = ",".join(map(str, image.pack(vowels())))
    (folder / "image.h").write_text(f"static const unsigned char image[] = {{{data}}};\n", encoding="utf-8")
    sources = [HERE / "main.c", *(folder / name for name in ("uart.c", "ohmgate.c", "ohmgate_link.c"))]
    link = ["-specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", HERE / "mps2.ld", "-I", folder]
    program = folder / "load.elf"
    command = [COMPILER, *FLAGS, "-ffunction-sections", "-DSESSION=1234u", *options, *link, "-o", program, *sources]
    subprocess.run(command, check=True, capture_output=True)
    return program


def run(program: Path, exchange) -> str:
    """The name of the error that the program ends with; ``exchange(bytes)`` gives what comes back on the UART."""
    command = [QEMU, "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "stdio",
               "-semihosting-config", "enable=on,target=native", "-kernel", program]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            while sent := os.read(process.stdout.fileno(), 4096):
                process.stdin.write(exchange(sent))
            return ERRORS[process.wait(timeout=60)][0]
        finally:
            process.kill()


@needs_qemu
def test_a_microcontroller_loads_what_python_loads_over_a_bad_line_too(tmp_path):
    program = build(tmp_path, "-DOHMGATE_LINK_MILLISECONDS=20u")
    expected, *found = devices = [FakeDevice(vowels().design, programming=3) for _ in range(3)]
    loader.run(loader.load(vowels()), expected)
    for device, rate in zip(found, (0, 0.002)):
        line = FaultyLine(link_device(vowels().design, device).receive, rate)
        assert run(program, line.exchange) == "OK"
    for device in devices:
        loaded = tuple(device.layer_data(k) for k in range(len(vowels().layers)))
        assert (loaded, device.enabled, device.error) == (vowels().layers, True, False)
    assert found[0].accesses == found[1].accesses


@needs_qemu
def test_a_microcontroller_without_a_board_says_so(tmp_path):
    program = build(tmp_path, "-DOHMGATE_LINK_MILLISECONDS=1u", "-DOHMGATE_LINK_TRIES=3u")
    sent = bytearray()
    assert run(program, lambda data: sent.extend(data) or b"") == "LINK"
    assert len(sent) == 3 * 14


def test_the_driver_is_small(tmp_path):
    """As docs/link.md says."""
    c_header.write(tmp_path)
    (tmp_path / "session.c").write_text('#include "ohmgate.h"\nohmgate_link session;\n', encoding="utf-8")
    for name, most, held in (("ohmgate.c", 4096, 0), ("ohmgate_link.c", 1024, 0), ("session.c", 0, 296)):
        subprocess.run([COMPILER, *FLAGS, "-c", tmp_path / name, "-o", tmp_path / "size.o"], check=True)
        sizes = subprocess.run([SIZE, tmp_path / "size.o"], check=True, capture_output=True, text=True).stdout
        text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
        assert (text <= most, data, bss) == (True, 0, held), f"{name} has {text} bytes"
