"""A microcontroller loads a board: the page's example on a Cortex-M3 in QEMU, whose UART ends at a device in numbers."""

import subprocess
from functools import cache

import numpy as np

from ohmgate.firmware import c_header, loader
from ohmgate.model.design import Design
from tests.designs import random_network
from tests.firmware.fake_device import FakeDevice
from tests.firmware.faulty_line import FaultyLine, link_device
from tests.firmware.microcontroller import COMPILER, FLAGS, SIZE, build, needs_compiler, needs_qemu, run

pytestmark = needs_compiler


@cache
def vowels():
    return random_network(Design.load("vowels"), np.random.default_rng(0), labels=True)


@needs_qemu
def test_a_microcontroller_loads_what_python_loads_over_a_bad_line_too(tmp_path):
    program = build(tmp_path, vowels(), "-DOHMGATE_LINK_MILLISECONDS=20u")
    expected, *found = devices = [FakeDevice(vowels().design, programming=3) for _ in range(3)]
    loader.run(loader.load(vowels()), expected)
    for device, rate in zip(found, (0, 0.001)):
        line = FaultyLine(link_device(vowels().design, device).receive, rate)
        assert run(program, line.exchange) == "OK"
    for device in devices:
        loaded = tuple(device.layer_data(k) for k in range(len(vowels().layers)))
        assert (loaded, device.enabled, device.error) == (vowels().layers, True, False)
    assert found[0].accesses == found[1].accesses


@needs_qemu
def test_a_microcontroller_without_a_board_says_so(tmp_path):
    program = build(tmp_path, vowels(), "-DOHMGATE_LINK_MILLISECONDS=1u", "-DOHMGATE_LINK_TRIES=3u")
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
