"""Damaged and forged images for the tests of the readers."""

import hashlib
import json
import zlib

import numpy as np

from ohmgate.firmware.format import GEOMETRY, HEADER, META, NO_LAYER, SECTION, geometry
from ohmgate.firmware.frame import Section, join, split
from ohmgate.model.design import Design

ODD_VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 8, 9, 16, 17, 64, 4096, 4097, 16384, 10**30, 0.0, -0.0, 0.5, 4.0, 1e308,
    5e-324, "", "x", "table", "argmax", "end", "loaded", "constant", "\ud800", "\x1b[2J", "lstm", "dense", [], [1],
    {}, [[[]]], float("nan"), float("inf"), {"kind": "lstm"},
]  # fmt: skip
ODD_JSON = [
    b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{", b"[" * 100_000, b"1e999", b"9" * 5000, b'"\\ud800"', b"NaN",
    b'{"design":{},"input_offset":[],"input_scale":[],"labels":[]}',
    b'{"design":{},"input_offset":[],"input_scale":[],"labels":[],"output_offset":[],"output_scale":[]}',
]  # fmt: skip


def forge(sections: list[tuple], /, tail: bytes = b"", **header) -> bytes:
    """An image whose CRCs and digest agree, whatever else does not.

    ``sections`` are ``(tag, layer, payload)`` or ``(tag, layer, payload, length)`` with a false length;
    ``tail`` stands between them and the digest; ``header`` overrides fields of the header.
    """
    body = b""
    for tag, layer, payload, *length in sections:
        part = SECTION.pack(tag=tag, layer=layer, length=length[0] if length else len(payload)) + payload
        body += part + zlib.crc32(part).to_bytes(4, "little")
    body += tail
    fields = {"magic": b"OHMGATE\n", "version": 1, "length": len(body) + 64, "sections": len(sections)}
    head = HEADER.pack(**(fields | {"fingerprint": 0} | header))
    content = head + zlib.crc32(head).to_bytes(4, "little") + body
    return content + hashlib.sha256(content).digest()


def resigned(data: bytes, key: bytes, signature: bytes) -> bytes:
    """An image with a signature section behind it, whose CRC is good."""
    section = b"SIGN" + b"\xff\xff\xff\xff" + (96).to_bytes(4, "little") + key + signature
    return data + section + zlib.crc32(section).to_bytes(4, "little")


def replaced(data: bytes, tag: bytes, change, layer: int | None = None) -> bytes:
    """``data`` with ``change(payload)`` in the first section ``tag`` (of ``layer``), CRCs and digest made good."""
    frame, done = split(data), False
    sections = []
    for s in frame.sections:
        if s.tag == tag and layer in (None, s.layer) and not done:
            s, done = Section(s.tag, s.layer, change(s.payload)), True
        sections.append(s)
    assert done
    return join(frame.version, _fingerprint(sections, frame.fingerprint), sections)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage without repair: bytes changed, lost, added or moved, or no image at all."""
    kind = int(rng.integers(6))
    buffer = bytearray(data)
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 64))
    if kind == 0:
        return rng.bytes(int(rng.integers(0, 400)))
    if kind == 1:
        return data[:at]
    if kind == 2:
        del buffer[at : at + size]
    elif kind == 3:
        buffer[at:at] = rng.bytes(size)
    elif kind == 4:
        buffer[at : at + size] = rng.bytes(len(buffer[at : at + size]))
    else:
        return data[:36] + rng.bytes(int(rng.integers(0, 200)))
    return bytes(buffer)


def forged(data: bytes, rng: np.random.Generator) -> bytes:
    """A changed image with every CRC, the digest and mostly the fingerprint made good."""
    frame = split(data)
    sections = [tuple(s) for s in frame.sections]
    header = {"version": frame.version}
    for _ in range(int(rng.integers(1, 3))):
        index = int(rng.integers(len(sections))) if sections else 0
        kind = int(rng.integers(9))
        if kind <= 1 and sections:
            sections[index] = _payload(sections[index], rng)
        elif kind <= 3 and sections and sections[0][0] == META:
            sections[0] = (META, NO_LAYER, _meta(sections[0][2], rng))
        elif kind == 4:
            sections = _regeometry(sections, rng)
        elif kind == 5:
            sections = _rearranged(sections, index, rng)
        elif kind == 6 and sections:
            sections[index] = (*sections[index][:3], int(rng.choice([0, 1, 2**31, 2**32 - 1])))
        elif kind == 7 and sections:
            tag = rng.choice([b"META", b"GEOM", b"WGHT", b"GAIN", b"TABL", b"\0\0\0\0", rng.bytes(4)])
            layer = int(rng.choice([0, 1, 2, 15, 16, NO_LAYER - 1, NO_LAYER]))
            sections[index] = (bytes(tag).ljust(4, b"\0"), layer, *sections[index][2:])
        elif kind == 8:
            name, size = [("version", 4), ("length", 4), ("fingerprint", 8), ("sections", 4)][int(rng.integers(4))]
            header[name] = int.from_bytes(rng.bytes(size), "little") if rng.random() < 0.5 else int(rng.integers(9))
    header.setdefault("fingerprint", int(_fingerprint(sections, frame.fingerprint), 16))
    return forge(sections, **header)


def _fingerprint(sections, default: str) -> str:
    """Of the design in META, if there is a legal one."""
    try:
        return Design.from_dict(json.loads(sections[0][2])["design"]).fingerprint
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return default


def _payload(section: tuple, rng) -> tuple:
    payload = bytearray(section[2])
    at, size = int(rng.integers(len(payload) + 1)), int(rng.integers(1, 9))
    kind = int(rng.integers(5))
    if kind == 0 and at < len(payload):
        payload[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        payload[at : at + size] = rng.bytes(len(payload[at : at + size]))
    elif kind == 2:
        del payload[at : at + size]
    elif kind == 3:
        payload[at:at] = rng.bytes(size)
    else:
        payload[at : at + size] = bytes([int(rng.choice([0, 0xFF, 0x80, 0x88]))]) * len(payload[at : at + size])
    return (*section[:2], bytes(payload))


def _meta(payload: bytes, rng) -> bytes:
    """JSON with one value replaced, removed or added; or other white space; or something odd altogether."""
    if rng.random() < 0.05:
        return ODD_JSON[int(rng.integers(len(ODD_JSON)))]
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    kind = rng.random()
    places = _places(content)
    if places and kind < 0.9:
        holder, key = places[int(rng.integers(len(places)))]
        if kind < 0.7:
            holder[key] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
        elif kind < 0.8:
            del holder[key]
        elif isinstance(holder, dict):
            holder["extra"] = holder[key]
        else:
            holder.append(holder[key])
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps(content, sort_keys=bool(rng.integers(2)), indent=1, ensure_ascii=False).encode(errors="replace")


def _places(content) -> list[tuple]:
    """Every ``(holder, key)`` in nested lists and dictionaries."""
    if not isinstance(content, (dict, list)):
        return []
    keys = list(content) if isinstance(content, dict) else range(len(content))
    return [place for key in keys for place in [(content, key), *_places(content[key])]]


def _regeometry(sections, rng):
    """The design changed in META and in GEOM, so that the sections behind are read by another geometry."""
    try:
        content = json.loads(sections[0][2])
        Design.from_dict(content["design"])  # only a legal design is worth a change
        layers = content["design"]["layer"]
        index = int(rng.integers(len(layers)))
        field = str(rng.choice([k for k, v in layers[index].items() if type(v) is int]))
        layers[index][field] = max(0, layers[index][field] + int(rng.choice([-4, -1, 1, 4])))
        design = Design.from_dict(content["design"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return sections
    meta = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    changed = [(META, NO_LAYER, meta), *sections[1:]]
    for position, section in enumerate(changed):
        if section[:2] == (b"GEOM", index):
            values = geometry(design.layers[index])
            if all(0 <= v < 2**16 for v in values.values() if isinstance(v, int)) and values["dac_bits"] < 256:
                changed[position] = (b"GEOM", index, GEOMETRY.pack(**values))
    return changed


def _rearranged(sections, index, rng):
    kind, other = int(rng.integers(4)), int(rng.integers(max(1, len(sections))))
    result = list(sections)
    if not result:
        return result
    if kind == 0:
        del result[index]
    elif kind == 1:
        result.insert(other, result[index])
    elif kind == 2:
        result[index], result[other] = result[other], result[index]
    else:
        result.append((b"TABL", int(rng.integers(4)), rng.bytes(8)))
    return result
