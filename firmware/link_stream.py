"""Time steps to a board and results back: over the line as they come, or from the board's own memory."""

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..model.design import Design
from ..model.formats import check_integer
from ..model.link import PAYLOAD_BYTES, REPLAY_JOB, REPLAY_STATE, Op, result_bytes, step_bytes
from ..model.payloads import output_numbers, result_payload, step_payload
from .line import LinkError
from .link import Link
from .link_requests import Request

PATIENCE = 10.0  #: seconds without a result after which none is waited for any more


class Replayed(NamedTuple):
    """What a replay gave."""

    results: int
    digest: int  #: CRC-32 of their bytes
    cycles: int  #: of the clock, from the first byte to the last result


def steps_of(design: Design, codes: np.ndarray, lengths=None) -> Iterator[bytes]:
    """The bytes of each time step of sequences: DAC codes (B, T, m), their lengths (B,) or all T."""
    layer, size = design.layers[0], step_bytes(design)
    for sequence, length in zip(codes, _lengths(codes, lengths)):
        for step in range(length):
            payload = step_payload(layer, sequence[step], step == 0, step == length - 1)
            yield payload.to_bytes(size, "little")


def results_of(design: Design, out: np.ndarray, lengths: np.ndarray) -> Iterator[bytes]:
    """The bytes of each result, for the ``out`` of :func:`~ohmgate.model.reference.run` and the lengths (B,)."""
    layer, size = design.layers[-1], result_bytes(design)
    for values, length in zip(out, lengths):
        for step in _answered(design, length):
            payload = result_payload(layer, values if layer.at_end else values[step], step == 0, step == length - 1)
            yield payload.to_bytes(size, "little")


def replay_of(design: Design, out: np.ndarray, lengths: np.ndarray, repetitions: int) -> tuple[int, int]:
    """Results and digest of a replay that gives ``out`` of each of its repetitions."""
    results, digest = list(results_of(design, out, lengths)), 0
    for _ in range(repetitions):
        digest = zlib.crc32(b"".join(results), digest)
    return len(results) * repetitions, digest


def run_over(link: Link, design: Design, codes: np.ndarray, lengths=None) -> np.ndarray:
    """Run sequences on the board, as :func:`~ohmgate.model.reference.run` does: its ``out``.

    Raises :class:`LinkError` where the board's results are not those of these sequences.
    """
    layer, lengths = design.layers[-1], _lengths(codes, lengths)
    width = 1 if layer.output == "argmax" else layer.outputs
    out = np.zeros((len(codes), width) if layer.at_end else (*codes.shape[:2], width), dtype=np.int64)
    places = ((b, t) for b, length in enumerate(lengths) for t in _answered(design, length))
    for (sequence, step), payload in zip(places, stream(link, design, steps_of(design, codes, lengths)), strict=True):
        *values, first, last = output_numbers(layer, payload).tolist()
        if (first, last) != (step == 0, step == lengths[sequence] - 1):
            raise LinkError(
                f"the board's result for step {step} of sequence {sequence} has the marks of another step"
            )
        out[sequence if layer.at_end else (sequence, step)] = values
    return out


def stream(link: Link, design: Design, steps: Iterable[bytes]) -> Iterator[int]:
    """Send time steps of whole sequences; give the payloads of their results, in order.

    What waited on the board is dropped first. Raises :class:`LinkError` where a result stays away.
    """
    info, sizes = link.info, (step_bytes(design), result_bytes(design))
    if (info.step_bytes, info.result_bytes) != sizes:
        raise LinkError(
            f"the board has {info.step_bytes} bytes a time step and {info.result_bytes} a result, "
            f"but the design has {sizes[0]} and {sizes[1]}"
        )
    link.flush()
    flow = _Flow(link, design, steps)
    for asked in link.ask_all(flow.requests()):
        asked.check()
        yield from flow.take(asked.payload)


def fill(link: Link, steps: bytes) -> None:
    """Put time steps of whole sequences into the board's buffer."""
    check_integer("bytes of time steps for the board's buffer", len(steps), 1, link.info.buffer_bytes)
    link.ask(Request(Op.FILL, 0, steps))


def replay(link: Link, size: int, repetitions: int) -> Replayed:
    """Run the first ``size`` bytes of the buffer ``repetitions`` times, and wait for the end."""
    check_integer("repetitions", repetitions, 1, 2**32 - 1)
    link.ask(Request(Op.REPLAY, 0, REPLAY_JOB.pack(size, repetitions)))
    last, since = -1, link.line.time()
    while True:
        runs, *state = REPLAY_STATE.unpack(link.ask(Request(Op.REPLAYED)).payload)
        if not runs:
            return Replayed(*state)
        if state[0] != last:
            last, since = state[0], link.line.time()
        elif link.line.time() - since > PATIENCE:
            raise LinkError(f"the board's replay stands still after {last} results")


class _Flow:
    """STREAM requests that never have more results under way than the board's queue holds."""

    def __init__(self, link: Link, design: Design, steps: Iterable[bytes]):
        self.link, self.design, self.steps = link, design, iter(steps)
        self.room = max(link.info.queue_bytes // link.info.result_bytes, 1)
        self.due = 0  #: results of steps that were sent
        self.out, self.results = b"", b""  #: bytes to be sent, and those of a result that has not come whole
        self.next: bytes | None = next(self.steps, None)
        self.since = link.line.time()  #: of the last result

    def requests(self) -> Iterator[Request]:
        while True:
            limit = self.link.limit
            while self.next is not None and len(self.out) < limit and self.due + self._gives(self.next) <= self.room:
                self.due += self._gives(self.next)
                self.out += self.next
                self.next = next(self.steps, None)
            if not self.out and not self.due:
                return
            sent, self.out = self.out[:limit], self.out[limit:]
            yield Request(Op.STREAM, min(self.due * self.link.info.result_bytes, PAYLOAD_BYTES), sent)

    def take(self, payload: bytes) -> Iterator[int]:
        self.results += payload
        size, now = self.link.info.result_bytes, self.link.line.time()
        while len(self.results) >= size:
            self.due, self.since = self.due - 1, now
            yield int.from_bytes(self.results[:size], "little")
            self.results = self.results[size:]
        if self.due < 0 or (self.results and not self.due):
            raise LinkError("the board gives more results than the time steps have")
        if self.due and now - self.since > PATIENCE:
            raise LinkError(f"the board owes {self.due} results")

    def _gives(self, step: bytes) -> int:
        """Results of a time step."""
        first = self.design.layers[0]
        last = int.from_bytes(step, "little") >> first.inputs * first.input_bits + 1 & 1
        return last if self.design.layers[-1].at_end else 1


def _answered(design: Design, length: int) -> range:
    """The steps of a sequence that have a result."""
    return range(length - 1, length) if design.layers[-1].at_end else range(length)


def _lengths(codes: np.ndarray, lengths) -> np.ndarray:
    return np.full(len(codes), codes.shape[1]) if lengths is None else np.asarray(lengths)
