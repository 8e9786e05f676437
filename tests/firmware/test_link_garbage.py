"""Bytes that nobody meant: a megabyte of them makes no answer for a host, in C or Python, no request for a device, and no crash."""

import struct
import subprocess
import zlib

import numpy as np
import pytest
from cobs import cobs

from ohmgate.firmware import c_header
from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer
from tests.firmware.c_driver import COMPILER
from tests.firmware.faulty_line import link_device
from tests.firmware.link_device import LinkDevice

SESSION = 0x0101
MAIN = """
#include <stdio.h>
#include "ohmgate.h"
/* Sessions whose line gives what comes on the standard input. Prints how many accesses were answered. */
static int send(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    return !(count >= 14 && count <= 254 && bytes[0] == 0 && bytes[count - 1] == 0);
}
static int receive(void *context, uint8_t *byte, uint32_t limit)
{
    int found = getchar();
    (void)context;
    (void)limit;
    *byte = (uint8_t)found;
    return found == EOF || found == 0xA5; /* silence */
}
int main(void)
{
    const ohmgate_line line = {NULL, send, receive};
    unsigned long begun = 0, answered = 0;
    uint32_t word, k;
    ohmgate_link link;
    while (!feof(stdin)) {
        ohmgate_bus bus = ohmgate_link_bus(&link);
        begun += ohmgate_link_begin(&link, &line, SESSION) == OHMGATE_OK;
        for (k = 0; k < 40 && link.error != OHMGATE_ERROR_LINK && link.error != OHMGATE_ERROR_PROTOCOL; k++) {
            answered += bus.read32(bus.context, OHMGATE_REG_SCRATCH, &word) == 0;
            bus.write32(bus.context, k % 3 ? OHMGATE_REG_LEVEL : OHMGATE_REG_TABLE_DATA, k);
            bus.write32(bus.context, k % 3 ? OHMGATE_REG_LEVEL : OHMGATE_REG_TABLE_DATA, 300 * (k & 1));
        }
    }
    printf("%lu %lu\\n", begun, answered);
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("garbage")
    c_header.write(folder)
    (folder / "main.c").write_text(MAIN)
    options = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    options += [f"-DSESSION={SESSION}u", "-DOHMGATE_LINK_TRIES=2u", "-o", folder / "hosts"]
    files = [folder / name for name in ("main.c", "ohmgate.c", "ohmgate_link.c")]
    built = subprocess.run([COMPILER, *options, *files], capture_output=True, text=True)
    if built.returncode and "san" in built.stderr:
        pytest.skip("the compiler has no sanitisers")
    assert built.returncode == 0, built.stderr
    return folder / "hosts"


def accesses(program, line: bytes) -> tuple[int, int]:
    """Sessions begun and reads answered, in all sessions for which the bytes suffice."""
    done = subprocess.run([program], input=line, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    begun, answered = map(int, done.stdout.split())
    return begun, answered


def frame(content: bytes) -> bytes:
    return b"\0" + cobs.encode(content + struct.pack("<I", zlib.crc32(content))) + b"\0"


def noise(rng, count: int) -> bytes:
    """Bytes of several kinds, zeros among them rare or frequent."""
    pieces = []
    for zeros in (0.002, 0.02, 0.1, 0.5):
        piece = rng.integers(1, 256, count // 4, dtype=np.uint8)
        piece[rng.random(len(piece)) < zeros] = 0
        pieces.append(piece.tobytes())
    return b"".join(pieces)


def damaged(rng, frames, count: int) -> bytes:
    """Frames, each with 1 to 3 bytes that are others, missing or too many; none is whole."""
    line = bytearray()
    while len(line) < count:
        piece = whole = frames(rng)
        while piece.strip(b"\0") == whole.strip(b"\0"):
            changed = bytearray(whole)
            for _ in range(rng.integers(1, 4)):
                at = int(rng.integers(1, len(changed) - 1))
                changed[at : at + int(rng.integers(2))] = rng.bytes(int(rng.integers(2)))
            piece = bytes(changed)
        line += piece
    return bytes(line)


def answer(rng, legal=True) -> bytes:
    """An answer of the session with one of the first numbers."""
    number, op = int(rng.integers(3)), int(rng.choice([0x81, 0x82, 0x84, 0x86]))
    payload = b"OHML\1" + bytes(33) if op == 0x81 else b"word" if op == 0x82 else b""
    if not legal:
        op, payload = int(rng.choice([op, rng.integers(256)])), rng.bytes(int(rng.integers(250)))
    return frame(struct.pack("<HHBH", SESSION, number, op, rng.choice([0, 0, 0, 1, 5])) + payload)


def request(rng) -> bytes:
    op = int(rng.integers(14))
    payload = {2: b"\1", 3: b"\3"}.get(op, rng.bytes(4 * int(rng.integers(1, 20))))
    return frame(struct.pack("<HHBH", SESSION, rng.integers(3), op, 4 * int(rng.integers(40))) + payload)


def test_garbage_is_no_answer_to_a_c_host(program):
    rng = np.random.default_rng(1)
    assert accesses(program, noise(rng, 600_000) + damaged(rng, answer, 400_000)) == (0, 0)


def test_whole_answers_in_any_order_do_no_harm_to_a_c_host(program):
    """Many are of its session and have its numbers; their payloads are of any length."""
    rng = np.random.default_rng(2)
    line = b"".join(answer(rng, legal=bool(rng.integers(3))) for _ in range(15_000))
    begun, answered = accesses(program, line)
    assert begun > 100
    assert answered > 10


def test_garbage_is_no_request_to_a_device():
    accessed = []

    class Bus:
        def read(self, address):
            accessed.append(address)
            return 0

        def write(self, address, value):
            accessed.append(address)

    rng = np.random.default_rng(3)
    device = link_device(Design("one", (LstmLayer(inputs=2, hidden=1, adcs=4),)), Bus())
    hello = frame(struct.pack("<HHBH", SESSION, 0, 1, 1))
    assert device.receive(hello)
    sent = device.receive(noise(rng, 600_000) + damaged(rng, request, 400_000))
    assert (sent, accessed, device.expected) == (b"", [], 1)
    assert device.receive(b"\0" + frame(struct.pack("<HHBH", SESSION, 1, 2, 0) + b"\1"))
    assert accessed == [0]


class NoisyLine:
    """Brings 512 bytes of ``noise`` at a time, and what ``device(bytes)`` answers behind each such piece."""

    name, baud = "desk", 1_000_000

    def __init__(self, noise: bytes, device=lambda data: b""):
        self.left, self.device = noise, device
        self.answer, self.now = b"", 0.0

    def time(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        self.answer += self.device(data)

    def read(self, timeout: float) -> bytes:
        found, self.left = self.left[:512] + self.answer, self.left[512:]
        self.answer = b""
        self.now += 10 * len(found) / self.baud if found else timeout
        return found

    def close(self) -> None:
        pass


def test_garbage_is_no_board_to_the_host():
    rng = np.random.default_rng(4)
    line = NoisyLine(noise(rng, 600_000) + damaged(rng, answer, 400_000))
    session = 0
    while line.left:
        with pytest.raises(LinkError, match="what answers on 'desk' at 1000000 baud is no board of Ohmgate's"):
            Link(line, seed=session)
        session += 1
    assert session


def test_garbage_between_answers_changes_nothing_for_the_host():
    class Scratch:
        word, log = 0, []

        def read(self, address):
            self.log.append((address, None))
            return self.word

        def write(self, address, value):
            self.log.append((address, value))
            self.word = value

    rng, bus = np.random.default_rng(5), Scratch()
    line = NoisyLine(noise(rng, 600_000) + damaged(rng, answer, 400_000), LinkDevice(bus).receive)
    link, expected = Link(line, seed=1), []
    while line.left:
        word = int(rng.integers(2**32))
        link.write(0x2C, word)
        assert link.read(0x2C) == word
        expected += [(0x2C, word), (0x2C, None)]
    assert bus.log == expected
    assert len(expected) > 500
