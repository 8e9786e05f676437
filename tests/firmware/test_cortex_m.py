"""A microcontroller loads a board: the page's example on a Cortex-M3 in QEMU, whose UART ends at a device in numbers."""

import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from ohmgate.firmware import c_header, image, loader, transactions
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.designs import random_network
from tests.firmware.damage import resigned
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
    transactions.run(loader.load(vowels()), expected)
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


MONOCYPHER = """
#include <stddef.h>
#include <stdint.h>
int crypto_ed25519_check(const uint8_t signature[64], const uint8_t public_key[32], const uint8_t *message, size_t size);
"""
STAND_IN = """
#include "monocypher-ed25519.h"
/* Takes signatures that begin with the driver's last byte of the key; the message is header and digest. */
int crypto_ed25519_check(const uint8_t signature[64], const uint8_t public_key[32], const uint8_t *message, size_t size)
{
    return size == 60 && message[0] == 'O' && signature[0] == public_key[31] ? 0 : -1;
}
"""


@needs_qemu
def test_a_locked_microcontroller_refuses_what_its_verifier_does_not_take(tmp_path):
    """With the lock of docs/image.md; Monocypher's verifier has a stand-in."""
    page = (Path(__file__).parents[2] / "docs" / "image.md").read_text("utf-8")
    files = {
        "lock.c": re.search(r'^```c title="lock.c"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)[1],
        "maker.h": f"#define MAKER {{{', '.join(map(str, range(32)))}}}\n",
        "monocypher-ed25519.h": MONOCYPHER,
        "stand_in.c": STAND_IN,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    design = Design("tiny", (DenseLayer(inputs=1, outputs=1, adcs=1),))
    data, key = image.pack(random_network(design, np.random.default_rng(0))), bytes(range(32))
    cases = {
        "UNSIGNED": data,
        "KEY": resigned(data, bytes(32), b"\x1f" + bytes(63)),
        "SIGNATURE": resigned(data, key, bytes(64)),
        "OK": resigned(data, key, b"\x1f" + bytes(63)),
    }
    for result, signed in cases.items():
        more = (tmp_path / "lock.c", tmp_path / "stand_in.c")
        program = build(tmp_path, signed, "-DOHMGATE_LOCKED", more=more)
        device = FakeDevice(design)
        line = FaultyLine(link_device(design, device).receive, 0)
        assert (run(program, line.exchange), device.enabled) == (result, result == "OK")
        assert device.written == 0 or result == "OK"


def test_the_driver_is_small(tmp_path):
    """As docs/link.md and docs/image.md say."""
    c_header.write(tmp_path)
    (tmp_path / "session.c").write_text('#include "ohmgate.h"\nohmgate_link session;\n', encoding="utf-8")
    for name, most, held, *options in (
        ("ohmgate.c", 4096, 0), ("ohmgate.c", 4096 + 512, 0, "-DOHMGATE_LOCKED"), ("ohmgate_link.c", 1024, 0),
        ("session.c", 0, 296),
    ):  # fmt: skip
        subprocess.run([COMPILER, *FLAGS, *options, "-c", tmp_path / name, "-o", tmp_path / "size.o"], check=True)
        sizes = subprocess.run([SIZE, tmp_path / "size.o"], check=True, capture_output=True, text=True).stdout
        text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
        assert (text <= most, data, bss) == (True, 0, held), f"{name} has {text} bytes"
