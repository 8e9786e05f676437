"""Signed images in Python: what a signature is of, beside openssl, and who refuses what. Keys in files."""

import re
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ohmgate.firmware import keys, loader, transactions
from ohmgate.firmware.format import WGHT
from ohmgate.firmware.image import ImageError, pack, read, unpack
from ohmgate.firmware.inspection import inspect
from ohmgate.firmware.signing import sign
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from tests.designs import random_network
from tests.firmware.damage import forge, replaced, resigned
from tests.firmware.fake_device import FakeDevice

PAGE = Path(__file__).parents[2] / "docs" / "image.md"
DESIGN = Design("tiny", (DenseLayer(inputs=2, outputs=2, adcs=1),))
#: RFC 8032, 7.1, tests 1 and 2: secret keys, and their public keys
MAKER = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
OTHER = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
)
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
MAKER_ID, OTHER_ID = "21fe31dfa154a261", "39f713d0a644253f"  # sha256sum of the public keys
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@cache
def example() -> bytes:
    return pack(random_network(DESIGN, np.random.default_rng(2)))


@cache
def signed() -> bytes:
    return sign(example(), MAKER)


def sentence(data: bytes, signed_by: bytes | None = PUBLIC) -> str:
    """Of the refusal."""
    with pytest.raises(ImageError) as error:
        unpack(data, signed_by)
    return str(error.value)


def openssl(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run(["openssl", *arguments], capture_output=True, **options)


def test_a_signature_changes_no_byte_of_the_image():
    assert signed()[: len(example())] == example()
    assert len(signed()) == len(example()) + 112
    assert unpack(signed()) == unpack(signed(), PUBLIC) == unpack(example())


def test_another_signature_takes_the_place_of_the_first():
    assert sign(signed(), OTHER) == sign(example(), OTHER)


@needs_openssl
def test_openssl_verifies_it_as_the_page_says(tmp_path):
    """Keys that openssl has made; one changed bit of the image, of its signature or of the key is noticed."""
    script = re.search(r'^```bash title="verify.sh"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[
        1
    ]
    for name in ("maker", "other"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem", cwd=tmp_path, check=True)
        openssl("pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub.pem", cwd=tmp_path, check=True)
    data = sign(example(), keys.read_private(tmp_path / "maker.pem"))
    assert unpack(data, keys.read_public(tmp_path / "maker.pub.pem")) == unpack(example())

    def verified(content: bytes, text: str = script) -> bool:
        (tmp_path / "signed.image").write_bytes(content)
        done = subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True)
        return (done.returncode, done.stdout) == (0, "Signature Verified Successfully\n")

    assert verified(data)
    assert not verified(data, script.replace("maker", "other"))
    for at in (8, 20, 40, len(data) - 200, len(data) - 10):
        assert not verified(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), at


def test_every_flipped_bit_of_a_signed_image_is_refused():
    buffer = bytearray(signed())
    for position in range(len(buffer)):
        for bit in range(8):
            buffer[position] ^= 1 << bit
            assert sentence(bytes(buffer), None)
            buffer[position] ^= 1 << bit


def test_a_cut_signed_image_is_refused_at_every_length():
    for length in range(len(signed())):
        assert sentence(signed()[:length])
    assert sentence(signed() + b"\0", None) == (
        f"header: the image must have {len(example())} bytes, not {len(signed()) + 1}"
    )


def test_each_refusal_has_its_sentence():
    changed = replaced(example(), WGHT, lambda payload: bytes([payload[0] ^ 1]) + payload[1:])
    moved = resigned(changed, signed()[-100:-68], signed()[-68:-4])
    by_maker = f"signature: it must be by key {MAKER_ID}"
    assert sentence(example()) == f"{by_maker}, but the image has none"
    assert sentence(sign(example(), OTHER)) == f"{by_maker}, not by key {OTHER_ID}"
    assert unpack(moved) != unpack(example())  # whole but for the signature, which nobody asked for
    assert sentence(moved) == f"{by_maker} of this image, but one of the two was changed"
    assert sentence(resigned(example(), PUBLIC, bytes(64))) == (
        f"{by_maker} of this image, but one of the two was changed"
    )
    assert sentence(example() + bytes(112)).startswith(
        "section SIGN: its head must be 5349474effffffff60000000, not 0000"
    )


def test_a_signature_is_no_section_of_the_image():
    assert sentence(forge([(b"SIGN", 0xFFFFFFFF, bytes(96))]), None) == (
        "section 0: the tag must be one of META, GEOM, WGHT, GAIN, TABL, not b'SIGN'"
    )


def test_the_loader_refuses_before_it_touches_the_device():
    device = FakeDevice(DESIGN)
    for data in (example(), sign(example(), OTHER)):
        with pytest.raises(ImageError, match="^signature: it must be by key"):
            transactions.run(loader.load(data, signed_by=PUBLIC), device)
    with pytest.raises(ImageError, match="^signature: a network has none: give the bytes of a signed image$"):
        loader.load(unpack(signed()), signed_by=PUBLIC)
    assert device.accesses == 0
    transactions.run(loader.load(signed(), signed_by=PUBLIC), device)
    assert device.enabled


def test_inspect_says_who_has_signed():
    assert f"\nsignature      by key {MAKER_ID}\n" in inspect(signed())
    with pytest.raises(ImageError, match=f"^signature: it must be by key {MAKER_ID} of this image, but"):
        inspect(resigned(example(), PUBLIC, bytes(64)))


def test_a_key_that_is_made_signs_and_is_the_owners_alone(tmp_path):
    private, public = tmp_path / "maker.pem", tmp_path / "maker.pub.pem"
    shown = keys.make(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert keys.read_public(public) == shown != PUBLIC
    (tmp_path / "x.image").write_bytes(sign(example(), keys.read_private(private)))
    assert read(tmp_path / "x.image", shown) == unpack(example())
    if shutil.which("openssl"):
        der = openssl("pkey", "-in", private, "-pubout", "-outform", "DER").stdout
        assert der[-32:] == shown


def test_no_key_is_overwritten(tmp_path):
    private, public = tmp_path / "maker.pem", tmp_path / "maker.pub.pem"
    public.write_text("mine")
    with pytest.raises(DesignError, match="^cannot write key '.*/maker.pub.pem': File exists$"):
        keys.make(private, public)
    assert not private.exists()
    private.write_text("mine, too")
    with pytest.raises(DesignError, match="^cannot write key '.*/maker.pem': File exists$"):
        keys.make(private, public)
    assert (private.read_text(), public.read_text()) == ("mine, too", "mine")


@needs_openssl
def test_files_that_are_no_such_key_have_their_sentences(tmp_path):
    private, public, locked, rsa = (tmp_path / f"{name}.pem" for name in ("maker", "maker.pub", "locked", "rsa"))
    keys.make(private, public)
    openssl("pkey", "-in", private, "-aes256", "-passout", "pass:x", "-out", locked, check=True)
    openssl("genpkey", "-algorithm", "ed448", "-out", rsa, check=True)
    is_private = "must be an Ed25519 private key in PEM, as ohmgate keygen makes it"
    is_public = "must be an Ed25519 public key in PEM, as ohmgate keygen makes it"
    cases = (
        (keys.read_private, public, is_private), (keys.read_private, rsa, is_private), (keys.read_private, PAGE, is_private),
        (keys.read_public, private, is_public), (keys.read_public, PAGE, is_public),
        (keys.read_private, locked, f"must have no passphrase: openssl pkey -in {locked} | ohmgate sign ... --key /dev/stdin"),
    )  # fmt: skip
    for function, path, said in cases:
        with pytest.raises(DesignError) as error:
            function(path)
        assert str(error.value) == f"key {str(path)!r} {said}"
    for function in (keys.read_private, keys.read_public):
        with pytest.raises(DesignError, match="^cannot read key 'none.pem': No such file or directory$"):
            function(Path("none.pem"))
