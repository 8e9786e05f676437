"""Forged images for the two readers, Python and C: what has one rule broken, both have to refuse.

Every image has right checksums, a right digest and the fingerprint of its design, unless its test says otherwise.
"""

from functools import cache

import numpy as np
import pytest

from ohmgate.firmware import image
from ohmgate.firmware.frame import Section, split
from ohmgate.firmware.image import ImageError
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import LayerData, Network
from tests.firmware.damage import forge
from tests.firmware.fake_device import FakeDevice

DESIGN = Design("pair", (
    LstmLayer(inputs=3, hidden=2, adcs=4, weight_bits=3, adc_bits=2, activation_bits=7),
    DenseLayer(inputs=2, outputs=3, adcs=1, output_bits=2, adc_bits=3),
))  # fmt: skip


@cache
def example() -> bytes:
    """Weights 1, gains 1 / 2^1, table entries 0: a changed byte breaks one rule only."""
    layers = []
    for layer in DESIGN.layers:
        ones = np.ones((layer.rows, layer.columns), dtype=np.int64)
        gains = np.ones(layer.gates, dtype=np.int64)
        layers.append(LayerData(ones, gains, gains, np.zeros((layer.gates, 2**layer.adc_bits), dtype=np.int64)))
    return image.pack(Network(DESIGN, tuple(layers)))


def parts() -> list[Section]:
    """The example's sections: META 0, GEOM 1, WGHT 2, GAIN 3, TABL 4 of layer 0, GEOM 5, ... of layer 1."""
    return split(example()).sections


def sealed(sections, /, **header) -> bytes:
    """An image of ``sections`` with the example's fingerprint."""
    return forge(sections, **{"fingerprint": int(DESIGN.fingerprint, 16)} | header)


def sentence(data: bytes) -> str:
    """What the Python reader says of an image that it refuses."""
    with pytest.raises(ImageError) as error:
        image.unpack(data)
    return str(error.value)


def c_has_to_refuse(data: bytes, words: str, original: bytes) -> bool:
    """Is ``data``, of which Python says ``words``, bad for a reader too that reads no META but by its CRC?

    Not so where META itself is another one than in the ``original``, or where only META tells that GEOM is wrong.
    """
    same_meta = split(original).sections[0].content() in data
    by_meta = words.startswith(("section META:", "header: the fingerprint")) or "the design in META" in words
    return words != "" and same_meta and not by_meta


def check_refused(driver, data: bytes, c: str, python: str) -> None:
    """Refused by both, by C before it touches the bus."""
    assert sentence(data) == python
    assert driver.check(data) == driver.check_digest(data) == c
    device = FakeDevice(DESIGN)
    assert driver.load(device, data) == c
    assert device.accesses == 0
