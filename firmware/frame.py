"""The container of an image: header, sections with a CRC-32 each, SHA-256 of the whole; a signature may stand behind.

Knows nothing of what the sections hold (:mod:`.sections`). Everything is checked before anything is decoded,
so damage is always reported as damage, with the section it is in.
"""

import hashlib
import zlib
from typing import NamedTuple

from .format import (
    CRC_BYTES,
    DIGEST_BYTES,
    FORMAT_VERSIONS,
    HEADER,
    MAGIC,
    META,
    NO_LAYER,
    SECTION,
    SECTIONS,
    SIGN,
    SIGNATURE,
    ImageError,
    section_name,
)


class Section(NamedTuple):
    tag: bytes
    layer: int
    payload: bytes

    def content(self) -> bytes:
        """What the section's CRC-32 covers: its head and its payload."""
        return SECTION.pack(tag=self.tag, layer=self.layer, length=len(self.payload)) + self.payload


class Signature(NamedTuple):
    """As it stands behind an image; :mod:`.signing` says whether it is right."""

    key: bytes  #: Ed25519 public key of the signer, 32 bytes
    signature: bytes  #: 64 bytes


class Frame(NamedTuple):
    """A checked container."""

    version: int  #: of the format
    fingerprint: str  #: 16 hexadecimal digits
    sections: list[Section]
    digest: bytes  #: SHA-256
    signed: bytes  #: what a signature is of: the header and the digest, 60 bytes
    signature: Signature | None  #: not verified


def join(version: int, fingerprint: str, sections: list[Section]) -> bytes:
    """The image's bytes."""
    body = b"".join(_with_crc(s.content()) for s in sections)
    length = HEADER.size + CRC_BYTES + len(body) + DIGEST_BYTES
    if length >= 2**32:
        raise ImageError(f"an image must be smaller than 4 GiB, not {length} bytes")
    header = HEADER.pack(
        magic=MAGIC, version=version, length=length, fingerprint=int(fingerprint, 16), sections=len(sections)
    )
    content = _with_crc(header) + body
    return content + hashlib.sha256(content).digest()


def split(data: bytes) -> Frame:
    """Check and take apart an image. Raises :class:`ImageError` for the first rule that it breaks."""
    data = bytes(data)
    if len(data) < HEADER.size + CRC_BYTES + DIGEST_BYTES:
        raise ImageError(f"header: an image must have at least 64 bytes, not {len(data)}")
    if data[: len(MAGIC)] != MAGIC:
        raise ImageError(f"header: an image must begin with {MAGIC!r}, not {data[: len(MAGIC)]!r}")
    header = HEADER.unpack(data[: HEADER.size])
    _check_crc("header", data, 0, HEADER.size)
    if header["version"] not in FORMAT_VERSIONS:
        known = " or ".join(str(version) for version in FORMAT_VERSIONS)
        raise ImageError(f"header: the format version must be {known}, not {header['version']}")
    length = header["length"]
    signature = _signature(data, length) if len(data) != length else None
    end = length - DIGEST_BYTES
    sections, at = [], HEADER.size + CRC_BYTES
    for index in range(header["sections"]):
        section, at = _section(data, index, at, end)
        sections.append(section)
    if at != end:
        raise ImageError(
            f"header: {header['sections']} sections end at byte {at}, but the digest begins at byte {end}"
        )
    digest = data[end:length]
    if hashlib.sha256(data[:end]).digest() != digest:
        raise ImageError("digest: the SHA-256 of the image does not agree with its content")
    signed = data[: HEADER.size] + digest
    return Frame(header["version"], f"{header['fingerprint']:016x}", sections, digest, signed, signature)


def signature_section(signature: Signature) -> bytes:
    """What stands behind a signed image."""
    return _with_crc(Section(SIGN, NO_LAYER, SIGNATURE.pack(**signature._asdict())).content())


def _signature(data: bytes, length: int) -> Signature:
    """What stands behind an image of ``length`` bytes."""
    start, stop = length + SECTION.size, length + SECTION.size + SIGNATURE.size
    if len(data) != stop + CRC_BYTES or length < HEADER.size + CRC_BYTES + DIGEST_BYTES:
        raise ImageError(f"header: the image must have {length} bytes, not {len(data)}")
    head = SECTION.pack(tag=SIGN, layer=NO_LAYER, length=SIGNATURE.size)
    if data[length:start] != head:
        raise ImageError(f"section SIGN: its head must be {head.hex()}, not {data[length:start].hex()}")
    _check_crc("section SIGN", data, length, stop)
    return Signature(**SIGNATURE.unpack(data[start:stop]))


def _section(data: bytes, index: int, at: int, end: int) -> tuple[Section, int]:
    if end - at < SECTION.size + CRC_BYTES:
        raise ImageError(f"section {index}: {end - at} bytes are left, too few for a section")
    head = SECTION.unpack(data[at : at + SECTION.size])
    tag, layer = head["tag"], head["layer"]
    if tag not in SECTIONS:
        raise ImageError(
            f"section {index}: the tag must be one of {', '.join(t.decode() for t in SECTIONS)}, not {tag!r}"
        )
    name = section_name(tag, layer)
    if (layer == NO_LAYER) != (tag == META):
        raise ImageError(f"section {index}: {name} cannot be, because META and only META belongs to no layer")
    start, room = at + SECTION.size, end - at - SECTION.size - CRC_BYTES
    if head["length"] > room:
        raise ImageError(f"{name}: its length is {head['length']} bytes, but only {room} are left")
    stop = start + head["length"]
    _check_crc(name, data, at, stop)
    return Section(tag, layer, data[start:stop]), stop + CRC_BYTES


def _with_crc(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(CRC_BYTES, "little")


def _check_crc(name: str, data: bytes, start: int, stop: int) -> None:
    stored, computed = int.from_bytes(data[stop : stop + CRC_BYTES], "little"), zlib.crc32(data[start:stop])
    if stored != computed:
        raise ImageError(f"{name}: its CRC-32 is 0x{stored:08x}, but its content gives 0x{computed:08x}")
