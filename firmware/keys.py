"""Keys that sign images, as PEM files that openssl has, too: PKCS #8, and SubjectPublicKeyInfo for the public one."""

import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..model.formats import DesignError


def make(private: Path, public: Path) -> bytes:
    """Make a key and write its two files, the private one for its owner only; returns the public key, 32 bytes.

    Raises :class:`DesignError` where one of the files is there: a key that is overwritten is lost.
    """
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    shown = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    _write(private, secret, 0o600)
    try:
        _write(public, shown, 0o644)
    except DesignError:
        private.unlink()
        raise
    return key.public_key().public_bytes_raw()


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises :class:`DesignError` for another file."""
    text = _read(path)
    try:
        key: Any = pem.load_pem_private_key(text, None)
    except TypeError:
        raise DesignError(
            f"key {str(path)!r} must have no passphrase: openssl pkey -in {path} | ohmgate sign ... --key /dev/stdin"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise DesignError(f"key {str(path)!r} must be an Ed25519 private key in PEM, as ohmgate keygen makes it")
    return key


def read_public(path: Path) -> bytes:
    """The 32 bytes of the public key in a file. Raises :class:`DesignError` for another file."""
    text = _read(path)
    try:
        key: Any = pem.load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise DesignError(f"key {str(path)!r} must be an Ed25519 public key in PEM, as ohmgate keygen makes it")
    return key.public_bytes_raw()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DesignError(f"cannot read key {str(path)!r}: {error.strerror}") from None


def _write(path: Path, text: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "wb") as file:
                file.write(text)
        except OSError:
            path.unlink()
            raise
    except OSError as error:
        raise DesignError(f"cannot write key {str(path)!r}: {error.strerror}") from None
