"""What a slot of a board's flash holds: the frames that load a network, as they would be on the line."""

import zlib
from collections.abc import Iterable, Iterator

from cobs import cobs

from ..model.flash import FlashLayout, Record
from ..model.link import PAYLOAD_BYTES, PROTOCOL, Op, Status, body
from ..model.network import Network
from ..model.registers import BY_NAME
from .link_load import run
from .link_requests import Asked, Request
from .loader import load
from .transactions import LoadError

SESSION = 0  #: of the frames in a slot


def slot_frames(network: Network) -> bytes:
    """HELLO, then :func:`~ohmgate.firmware.loader.load`'s writes in their order; the last one enables the device.

    Nobody compares the device with the network at start: its fingerprint refuses another's cells.
    """
    recorder = _Recorder()
    run(load(network, force=True), recorder)
    return bytes(recorder.frames)


def slot_record(network: Network, frames: bytes, generation: int, layout: FlashLayout) -> Record:
    """The record that commits ``frames``. Raises :class:`LoadError` where a slot has no room for them."""
    if len(frames) > layout.room:
        raise LoadError(
            f"a slot of the board's flash must hold the network's {len(frames)} bytes, and has {layout.room}"
        )
    return Record(generation, len(frames), zlib.crc32(frames), int(network.design.fingerprint, 16))


class _Recorder:
    """In the place of a link: a device that is unlocked, does at once what it is asked, and refuses nothing."""

    def __init__(self):
        self.frames, self.number = bytearray(), 0
        self._send(Op.HELLO, PROTOCOL, b"")

    def ask_all(self, requests: Iterable[Request]) -> Iterator[Asked]:
        for request in requests:
            asked = Asked(request)
            if request.op is Op.READ:  # of STATUS: there is no other, as nothing is compared
                asked.payload = BY_NAME["STATUS"].pack(UNLOCKED=1, SEALED=1).to_bytes(4, "little")
            else:
                while asked.more:
                    piece = asked.cut(PAYLOAD_BYTES)
                    self._send(piece.op, piece.argument, piece.payload)
                    asked.take(piece, Status.OK, b"")
            yield asked

    def _send(self, op: Op, argument: int, payload: bytes) -> None:
        self.frames += b"\0" + cobs.encode(body(SESSION, self.number & 0xFFFF, op, argument, payload)) + b"\0"
        self.number += 1
