"""Loads an image over a link: the loader's own transactions in their order, in few frames."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..model.bit_fields import pack
from ..model.link import Op, Status
from ..model.network import Network
from ..model.registers import BY_NAME
from .link import Link
from .link_requests import Asks, Request
from .loader import load
from .transactions import Burst, LoadError, Progress, Read, Steps, T, Write

POLLS = 1000  #: of STATUS, until the last cell is programmed
LEVEL = BY_NAME["LEVEL"]


def load_over(
    link: Link, image: bytes | Network, *, weights: bool = True, force: bool = False, progress: Progress | None = None
) -> None:
    """Load ``image`` and enable the device: :func:`~ohmgate.firmware.loader.load` with its arguments and errors."""
    run(load(image, weights=weights, force=force, progress=progress, polls=POLLS), link)


def run(steps: Steps[T], link: Asks) -> T:
    """Do ``steps``; their result. Consecutive writes share frames.

    Raises :class:`LoadError`, for a refused access too. A refused write is found before the next read. Frames behind
    it may have been executed by then.
    """
    batch = _Batch(steps, None)
    while True:
        for asked in link.ask_all(batch.requests()):
            writes = batch.sent.popleft()
            asked.check()
            if asked.status == Status.REFUSED:
                raise LoadError(f"the device refused the {writes[asked.refused]}")
        asks = batch.read
        if asks is None:
            return batch.end
        words = asks.words if isinstance(asks, Burst) else 1
        (asked,) = link.ask_all([Request(Op.READ, asks.register.address, words=words)])
        asked.check()
        if asked.status == Status.REFUSED:
            raise LoadError(f"the device refused the {asks}")
        batch = _Batch(steps, list(asked.words) if isinstance(asks, Burst) else asked.words[0])


class _Batch:
    """Writes up to the next read, or the end; ``value`` is what was read before."""

    def __init__(self, steps: Steps[Any], value: int | list[int] | None):
        self.steps, self.value = steps, value
        self.read: Read | Burst | None = None  #: that ended the writes
        self.end: Any = None  #: result of the steps, where nothing is read any more
        self.sent: deque[list[Write]] = deque()  #: the writes of each request

    def requests(self) -> Iterator[Request]:
        group: list[Write] = []
        for write in self._writes():
            if group and not _belongs(write, group):
                yield from self._pack(group)
                group = []
            group.append(write)
        if group:
            yield from self._pack(group)

    def _writes(self) -> Iterator[Write]:
        while True:
            try:
                transaction = self.steps.send(self.value)
            except StopIteration as end:
                self.end = end.value
                return
            self.value = None
            if not isinstance(transaction, Write):
                self.read = transaction
                return
            yield transaction

    def _pack(self, group: list[Write]) -> Iterator[Request]:
        if group[0].register == LEVEL:
            yield from self._levels(group)
            return
        ascending = len(group) > 1 and group[1].register != group[0].register
        words = b"".join(write.value.to_bytes(4, "little") for write in group)
        self.sent.append(group)
        yield Request(Op.WRITE_NEXT if ascending else Op.WRITE, group[0].register.address, words)

    def _levels(self, group: list[Write]) -> Iterator[Request]:
        """Levels in as few bits as the largest needs; those at the end that fill no byte, in a byte each."""
        bits = 1 << max(max(write.value for write in group).bit_length() - 1, 0).bit_length()
        whole = len(group) * bits // 8 * 8 // bits
        for part, width in ((group[:whole], bits), (group[whole:], 8)):
            if part:
                levels = pack(np.array([write.value for write in part]), width)
                self.sent.append(part)
                yield Request(Op.LEVELS, width, levels.to_bytes(len(part) * width // 8, "little"))


def _belongs(write: Write, group: list[Write]) -> bool:
    """Can ``write`` share a request with those of ``group``: one register, or ascending ones without LEVEL?"""
    first, last = group[0].register, group[-1].register
    if write.register == last:
        return first == last
    ascending = len(group) == 1 or first != last
    return ascending and write.register.address == last.address + 4 and LEVEL not in (write.register, last)
