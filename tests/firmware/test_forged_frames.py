"""Header, checksums, order and number of sections: refused by the Python and the C reader."""

import dataclasses

import numpy as np
import pytest

from ohmgate.firmware import frame, image
from ohmgate.firmware.format import GAIN, GEOM, HEADER, META, NO_LAYER, TABL, WGHT
from ohmgate.firmware.frame import Section
from ohmgate.firmware.image import ImageError
from ohmgate.model.design import Design
from tests.designs import random_network
from tests.firmware.both_readers import DESIGN, check_refused, example, parts, sealed, sentence


def moved(tag: bytes, layer: int, to: tuple[bytes, int]):
    return [Section(*to, s.payload) if s[:2] == (tag, layer) else s for s in parts()]


def swapped(a: int, b: int):
    sections = parts()
    sections[a], sections[b] = sections[b], sections[a]
    return sections


def missing(name: str, position: int, instead: str) -> str:
    return f"section {name}: it is missing at position {position}, where {instead} is"


LAST = "no section can follow the last table"
ORDER_RULES = {
    "no section": (lambda: [], "section META: it must be the first section"),
    "no META": (lambda: parts()[1:], "section META: it must be the first section"),
    "META behind GEOM": (lambda: swapped(0, 1), "section META: it must be the first section"),
    "META only": (lambda: parts()[:1], missing("GEOM of layer 0", 1, "the end")),
    "META twice": (lambda: parts()[:1] + parts(), missing("GEOM of layer 0", 1, "section META")),
    "META at the end": (lambda: parts() + parts()[:1], f"section META: {LAST}"),
    "WGHT before GEOM": (lambda: swapped(1, 2), missing("GEOM of layer 0", 1, "section WGHT of layer 0")),
    "GAIN before WGHT": (lambda: swapped(2, 3), missing("WGHT of layer 0", 2, "section GAIN of layer 0")),
    "TABL before GAIN": (lambda: swapped(3, 4), missing("GAIN of layer 0", 3, "section TABL of layer 0")),
    "no GAIN": (lambda: [*parts()[:3], *parts()[4:]], missing("GAIN of layer 0", 3, "section TABL of layer 0")),
    "no TABL": (lambda: [*parts()[:4], *parts()[5:]], missing("TABL of layer 0", 4, "section GEOM of layer 1")),
    "no TABL at the end": (lambda: parts()[:-1], missing("TABL of layer 1", 8, "the end")),
    "layers the wrong way round": (
        lambda: [*parts()[:1], *parts()[5:], *parts()[1:5]],
        missing("GEOM of layer 0", 1, "section GEOM of layer 1"),
    ),
    "layer 1 twice": (lambda: [*parts(), *parts()[5:]], f"section GEOM of layer 1: {LAST}"),
    "TABL twice": (lambda: [*parts(), parts()[-1]], f"section TABL of layer 1: {LAST}"),
    "GEOM of a third layer without the rest": (lambda: [*parts(), Section(GEOM, 2, parts()[5].payload)],
                                               f"section GEOM of layer 2: {LAST}"),
    "GEOM of layer 1 as layer 2": (lambda: moved(GEOM, 1, (GEOM, 2)),
                                   missing("GEOM of layer 1", 5, "section GEOM of layer 2")),
    "WGHT of the other layer": (lambda: moved(WGHT, 0, (WGHT, 1)),
                                missing("WGHT of layer 0", 2, "section WGHT of layer 1")),
    "GAIN of the other layer": (lambda: moved(GAIN, 1, (GAIN, 0)),
                                missing("GAIN of layer 1", 7, "section GAIN of layer 0")),
    "TABL of the other layer": (lambda: moved(TABL, 1, (TABL, 0)),
                                missing("TABL of layer 1", 8, "section TABL of layer 0")),
    "GAIN called TABL": (lambda: moved(GAIN, 0, (TABL, 0)), missing("GAIN of layer 0", 3, "section TABL of layer 0")),
    "META of a layer": (lambda: moved(META, NO_LAYER, (META, 0)),
                        "section 0: section META of layer 0 cannot be, because META and only META belongs to no layer"),
    "WGHT of no layer": (lambda: moved(WGHT, 0, (WGHT, NO_LAYER)),
                         "section 2: section WGHT cannot be, because META and only META belongs to no layer"),
    "META under another name": (lambda: moved(META, NO_LAYER, (b"METB", NO_LAYER)),
                                "section 0: the tag must be one of META, GEOM, WGHT, GAIN, TABL, not b'METB'"),
    "an unknown tag": (lambda: moved(GAIN, 1, (b"GAIX", 1)),
                       "section 7: the tag must be one of META, GEOM, WGHT, GAIN, TABL, not b'GAIX'"),
}  # fmt: skip


@pytest.mark.parametrize("rule", ORDER_RULES)
def test_the_order_of_sections(driver, rule):
    sections, words = ORDER_RULES[rule]
    check_refused(driver, sealed(sections()), "SECTION", words)


def spoilt(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def trailing(count: int) -> bytes:
    """Bytes between the last section and the digest."""
    return sealed(parts(), tail=bytes(count))


END = len(example()) - 32
FRAME_RULES = {
    "63 bytes": (lambda: example()[:63], "LENGTH", "header: an image must have at least 64 bytes, not 63"),
    "the format version before": (lambda: sealed(parts(), version=0), "FORMAT",
                                  "header: the format version must be 1 or 2, not 0"),
    "the format version after": (lambda: sealed(parts(), version=3), "FORMAT",
                                 "header: the format version must be 1 or 2, not 3"),
    "the format version in its high half": (lambda: sealed(parts(), version=2 + (1 << 16)), "FORMAT",
                                            "header: the format version must be 1 or 2, not 65538"),
    "a length above": (lambda: sealed(parts(), length=END + 33), "LENGTH",
                       f"header: the image must have {END + 33} bytes, not {END + 32}"),
    "a length below": (lambda: sealed(parts(), length=END + 31), "LENGTH",
                       f"header: the image must have {END + 31} bytes, not {END + 32}"),
    "a section more in the header": (lambda: sealed(parts(), sections=10), "SECTION",
                                     "section 9: 0 bytes are left, too few for a section"),
    "a section less in the header": (lambda: sealed(parts(), sections=8), "SECTION",
                                     f"header: 8 sections end at byte {END - 32}, but the digest begins at byte {END}"),
    "no section in the header": (lambda: sealed(parts(), sections=0), "SECTION",
                                 f"header: 0 sections end at byte 32, but the digest begins at byte {END}"),
    "15 bytes behind the last section": (lambda: trailing(15), "SECTION",
                                         f"header: 9 sections end at byte {END}, but the digest begins at byte {END + 15}"),
    "1 byte behind the last section": (lambda: trailing(1), "SECTION",
                                       f"header: 9 sections end at byte {END}, but the digest begins at byte {END + 1}"),
    "a section longer by 1 than the room": (lambda: sealed([*parts()[:-1], (TABL, 1, bytes(16), 17)]), "SECTION",
                                            "section TABL of layer 1: its length is 17 bytes, but only 16 are left"),
    "META longer than 32 bits of addresses": (lambda: sealed([(META, NO_LAYER, b"{}", 2**32 - 1)]), "SECTION",
                                              "section META: its length is 4294967295 bytes, but only 2 are left"),
}  # fmt: skip


@pytest.mark.parametrize("rule", FRAME_RULES)
def test_the_frame(driver, rule):
    data, c, words = FRAME_RULES[rule]
    check_refused(driver, data(), c, words)


@pytest.mark.parametrize("at", range(8))
def test_every_byte_of_the_magic(driver, at):
    data = spoilt(example(), at)
    check_refused(driver, data, "MAGIC", f"header: an image must begin with b'OHMGATE\\n', not {data[:8]!r}")


def test_the_crc_of_the_header_and_of_every_section(driver):
    """A flipped bit of the last byte that it covers, and of its own first and last byte."""
    places, at = {"header": (9, 27, 28, 31)}, 32
    for tag, layer, payload in parts():
        name = "section META" if tag == META else f"section {tag.decode()} of layer {layer}"
        at += 12 + len(payload)
        places[name] = (at - 1, at, at + 3)
        at += 4
    assert at == END
    for name, damaged in places.items():
        for place in damaged:
            data = spoilt(example(), place)
            assert sentence(data).startswith(f"{name}: its CRC-32 is 0x")
            assert driver.check(data) == "CRC"


@pytest.mark.parametrize("at", range(-32, 0))
def test_every_byte_of_the_digest(driver, at):
    data = spoilt(example(), END + 32 + at)
    assert sentence(data) == "digest: the SHA-256 of the image does not agree with its content"
    assert (driver.check(data), driver.check_digest(data)) == ("OK", "DIGEST")


@pytest.mark.parametrize("rest", range(64))
def test_images_of_every_length_have_a_right_digest(driver, rest):
    """SHA-256 fills the last block of 64 bytes in two ways."""
    network = random_network(Design("one", (DESIGN.layers[1],)), np.random.default_rng(0), labels=False)
    data = image.pack(dataclasses.replace(network, labels=("a" * rest, "b", "c")))
    assert driver.check_digest(data) == "OK"


def test_an_image_is_smaller_than_4_gib(monkeypatch):
    """By a digest that long; with a byte less, the length is the largest number of its 32 bits."""
    head = HEADER.size + 4
    monkeypatch.setattr(frame, "DIGEST_BYTES", 2**32 - head)
    with pytest.raises(ImageError, match=r"^an image must be smaller than 4 GiB, not 4294967296 bytes$"):
        frame.join(2, DESIGN.fingerprint, [])
    monkeypatch.setattr(frame, "DIGEST_BYTES", 2**32 - head - 1)
    assert HEADER.unpack(frame.join(2, DESIGN.fingerprint, [])[: HEADER.size])["length"] == 2**32 - 1
