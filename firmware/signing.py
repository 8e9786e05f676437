"""Signatures of images: Ed25519 (RFC 8032) over an image's header and SHA-256 (``docs/image.md``).

What a signature is of has 60 bytes, so a microcontroller that reads an image in pieces verifies it at the end of one
pass. The SHA-256 covers all else; :func:`.frame.split` compares it before anything here is asked.
"""

import hashlib
from typing import TYPE_CHECKING

from .format import ImageError
from .frame import Frame, Signature, signature_section, split

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sign(image: bytes, key: "Ed25519PrivateKey") -> bytes:
    """``image`` with the signature of ``key`` behind it, in place of any that is there.

    Raises :class:`ImageError` for a damaged image.
    """
    frame = split(image)
    signature = Signature(key.public_key().public_bytes_raw(), key.sign(frame.signed))
    length = len(image) - len(signature_section(frame.signature) if frame.signature else b"")
    return image[:length] + signature_section(signature)


def key_id(key: bytes) -> str:
    """How sentences call a public key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def signer(frame: Frame) -> bytes | None:
    """The public key that has signed the image; None for one without a signature.

    Raises :class:`ImageError` for a signature that is not of this image. Whose the key is, an image does not tell.
    """
    if frame.signature is None:
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, signature = frame.signature
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, frame.signed)
    except (InvalidSignature, ValueError):
        raise ImageError(
            f"signature: it must be by key {key_id(key)} of this image, but one of the two was changed"
        ) from None
    return key


def check_signer(frame: Frame, key: bytes) -> None:
    """Raise :class:`ImageError` unless the public key ``key`` has signed the image."""
    if frame.signature is None:
        raise ImageError(f"signature: it must be by key {key_id(key)}, but the image has none")
    if frame.signature.key != key:
        raise ImageError(f"signature: it must be by key {key_id(key)}, not by key {key_id(frame.signature.key)}")
    signer(frame)
