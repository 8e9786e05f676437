"""``ohmgate keygen`` and ``ohmgate sign``: a run's image, signed, inspected and compared."""

import re
import shutil
import subprocess

import pytest

from ohmgate.firmware import keys
from ohmgate.firmware.image import unpack
from ohmgate.firmware.signing import key_id
from tests.cli.test_errors import refused


@pytest.fixture
def key(ohmgate, tmp_path):
    """The private key, and the public one."""
    made = ohmgate("keygen", tmp_path / "maker.pem")
    assert made.exit_code == 0, made.stderr
    public = keys.read_public(tmp_path / "maker.pub.pem")
    assert made.stdout == (
        f"key {key_id(public)}\n"
        f"{tmp_path}/maker.pem: the private key, without a passphrase; keep it\n"
        f"{tmp_path}/maker.pub.pem: the public key, for --signed-by\n"
        f"in C: {{{', '.join(f'0x{byte:02x}' for byte in public)}}}\n"
    )
    return tmp_path / "maker.pem", public


def test_an_image_is_signed_beside_it_and_in_its_place(ohmgate, tiny, tmp_path, key):
    private, public = key
    run = tmp_path / "run"
    shutil.copytree(tiny / "run", run)
    before = (run / "tiny.image").read_bytes()
    beside = ohmgate("sign", run, "--key", private, "--out", tmp_path / "signed.image")
    assert (beside.exit_code, (run / "tiny.image").read_bytes()) == (0, before)
    signed = (tmp_path / "signed.image").read_bytes()
    assert beside.stdout == f"{tmp_path}/signed.image: {len(before) + 112} bytes, signed by key {key_id(public)}\n"
    assert (signed[:-112], unpack(signed, public)) == (before, unpack(before))
    assert ohmgate("sign", run, "--key", private).exit_code == 0
    assert (run / "tiny.image").read_bytes() == signed
    assert f"\nsignature      by key {key_id(public)}\n" in ohmgate("inspect", run).stdout
    assert "\nsignature      none\n" in ohmgate("inspect", tiny / "run").stdout
    assert ohmgate("diff", run, tiny / "run").stdout == "the images hold the same network\n"


def test_a_bad_image_or_key_is_one_sentence_and_nothing_is_written(ohmgate, tiny, tmp_path, key):
    private, _ = key
    data = (tiny / "run" / "tiny.image").read_bytes()
    (tmp_path / "bad.image").write_bytes(data[:-1])
    out = tmp_path / "out.image"
    assert refused(ohmgate("sign", tmp_path / "bad.image", "--key", private, "--out", out)) == (
        f"image '{tmp_path}/bad.image': header: the image must have {len(data)} bytes, not {len(data) - 1}"
    )
    assert refused(ohmgate("sign", tiny / "run", "--key", tmp_path / "maker.pub.pem", "--out", out)) == (
        f"key '{tmp_path}/maker.pub.pem' must be an Ed25519 private key in PEM, as ohmgate keygen makes it"
    )
    assert refused(ohmgate("keygen", private)) == f"cannot write key '{private}': File exists"
    assert not out.exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_key_with_a_passphrase_comes_through_openssl(ohmgate, tiny, tmp_path, key):
    private, public = key
    locked, out = tmp_path / "locked.pem", tmp_path / "out.image"
    encrypt = ["openssl", "pkey", "-in", private, "-aes256", "-passout", "pass:word", "-out", locked]
    subprocess.run(encrypt, check=True)
    said = refused(ohmgate("sign", tiny / "run", "--key", locked, "--out", out))
    command = re.fullmatch(
        r"key '.*' must have no passphrase: (openssl .*) \| ohmgate sign \.\.\. --key /dev/stdin", said
    )[1]
    decrypted = subprocess.run([*command.split(), "-passin", "pass:word"], check=True, capture_output=True).stdout
    (tmp_path / "pipe").write_bytes(decrypted)
    assert ohmgate("sign", tiny / "run", "--key", tmp_path / "pipe", "--out", out).exit_code == 0
    assert unpack(out.read_bytes(), public)
