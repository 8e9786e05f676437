"""Bad images: every flipped bit is refused, and no input gives anything but an image or an ImageError."""

from functools import cache

import numpy as np
import pytest

from ohmgate.firmware.frame import split
from ohmgate.firmware.image import ImageError, pack, unpack
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from tests.designs import perhaps_tiled, random_design, random_network
from tests.firmware.damage import damaged, forged


@cache
def vowels_image() -> bytes:
    return pack(random_network(Design.load("vowels"), np.random.default_rng(0), labels=True))


@cache
def small_images() -> tuple[bytes, ...]:
    rng = np.random.default_rng(7)
    return tuple(pack(random_network(perhaps_tiled(random_design(rng, max_outputs=5), rng), rng)) for _ in range(40))


def refused(data: bytes) -> bool:
    """Is it refused with one sentence? A valid image must be canonical."""
    try:
        network = unpack(data)
    except ImageError as error:
        text = str(error)
        assert text, "an empty sentence"
        assert "\n" not in text
        assert text.split(":")[0].split()[0] in ("header", "section", "digest"), text
        return True
    assert pack(network) == data
    return False


def flipped_bits_refused(data: bytes) -> int:
    assert not refused(data)
    buffer, count = bytearray(data), 0
    for position in range(len(data)):
        for bit in range(8):
            buffer[position] ^= 1 << bit
            count += refused(bytes(buffer))
            buffer[position] ^= 1 << bit
    return count


def test_every_flipped_bit_of_a_vowels_image_is_refused():
    assert flipped_bits_refused(vowels_image()) == 8 * len(vowels_image()) > 30_000


def test_every_flipped_bit_of_an_image_with_units_of_outputs_is_refused():
    head = DenseLayer(inputs=2, outputs=2, adcs=1, output="codes")
    data = pack(random_network(Design("head", (head,)), np.random.default_rng(0)).in_units(output_scale=0.3))
    assert data[8] == 2
    assert flipped_bits_refused(data) == 8 * len(data)


def test_a_truncated_image_is_refused_at_every_length():
    data = vowels_image()
    assert all(refused(data[:length]) for length in range(len(data)))
    assert refused(data + b"\0")


def test_damage_is_named_by_its_section():
    data = bytearray(vowels_image())
    at = data.index(b"WGHT")
    data[at + 100] ^= 1
    with pytest.raises(ImageError, match=r"^section WGHT of layer 0: its CRC-32 is 0x[0-9a-f]{8}, but"):
        unpack(bytes(data))


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Try ``count`` inputs; returns how many of each kind were valid, and how many forged ones reached decoding."""
    rng = np.random.default_rng(seed)
    images = small_images()
    totals = {"valid": 0, "decoded": 0}
    for number in range(count):
        data = images[int(rng.integers(len(images)))]
        changed = forged(data, rng) if number % 4 else damaged(data, rng)
        if not refused(changed):
            totals["valid"] += 1
        try:
            split(changed)
            totals["decoded"] += 1
        except ImageError:
            pass
    return totals


def test_5000_mutated_or_random_images_give_an_image_or_an_image_error():
    totals = fuzz(5_000, seed=1)
    assert totals["decoded"] > 1_500, "too few inputs get past the checksums to test the decoders"
    assert totals["valid"] > 50, "too few changes are legal to test that valid images are canonical"


@pytest.mark.full
@pytest.mark.slow
def test_100000_mutated_or_random_images_give_an_image_or_an_image_error():
    totals = fuzz(100_000, seed=2)
    assert totals["decoded"] > 30_000
    assert totals["valid"] > 1_000
