"""A native simulation that is running: one chip, loaded once, which takes block after block of sequences."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...model.layout import physical_order
from ...model.network import Network
from ...model.programs import ProgramError, ended
from ...model.reference import results_given
from ..compare import Seen, reads
from ..interleaving import by_sequence, in_turns
from .build import NativeBuild
from .files import RESULT, read_layer, read_recording, stream_words, write_job, write_numbers


@dataclass(frozen=True)
class Loading:
    """How a chip gets its cells, and how long conversions take where the macro itself says when."""

    conversion: tuple[int, int] = (4, 4)  #: cycles: least and most, drawn afresh each time
    back_door: bool = False  #: cells are there from the start; gains and tables still come over the bus


@dataclass(frozen=True)
class Ran:
    """A block of sequences that a chip has run, what was seen of it, and how long it took."""

    seen: Seen
    cycles: int  #: from the first input to the last result
    busy: tuple[int, ...]  #: of these, cycles in which a conversion was under way, by layer


class Simulator:
    """A running program of :func:`~.build.build`; leaving the context ends it.

    Raises :class:`~ohmgate.model.programs.ProgramError` where it ends or does not get its image loaded.
    """

    def __init__(self, build: NativeBuild, network: Network, folder: Path, loading: Loading | None = None) -> None:
        """``folder`` takes the files of what it is told and of what it saw last."""
        self._network, self._folder, loading = network, folder, loading or Loading()
        self._wait = max(*loading.conversion, *(layer.conversion_cycles for layer in network.design.layers))
        folder.mkdir(parents=True, exist_ok=True)
        write_job(folder, network, loading.conversion, loading.back_door, build.trace)
        try:
            self._process = subprocess.Popen(
                [str(build.program), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise ProgramError(f"the native simulation cannot be started: {error.strerror}") from error
        try:
            self.load_cycles = int(self._do("load"))  #: clock cycles that loading has taken
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def run(
        self, sequences: np.ndarray, codes: np.ndarray, lengths: np.ndarray, fed: list[np.ndarray] | None = None
    ) -> Ran:
        """Run sequences of the numbers ``sequences`` (B,): DAC codes (B, T, m) of ``lengths`` (B,).

        Where sequences interleave, contexts take turns. ``fed`` are ADC codes that the arrays give, in place of their
        own: by layer, (B, T, R * columns) as a trace's.
        """
        design, block = self._network.design, self._folder / "block"
        layers, contexts = design.layers, design.contexts
        shutil.rmtree(block, ignore_errors=True)
        block.mkdir()
        sent = in_turns(lengths, contexts, design.votes)
        begun = sent[sent[:, 2] == 0, :2]
        whose = begun[begun[:, 0].argsort(), 1]  # context of each sequence
        words = stream_words(layers[0], codes, lengths, sent, contexts)
        write_numbers(block / "stream.bin", words)
        for index, layer in enumerate(layers):
            if fed is not None:
                at = reads(layer, lengths, codes.shape[1])
                codes_read = fed[index][tuple(at)].reshape(-1, layer.row_tiles, layer.columns)
                by_tile = codes_read[..., physical_order(layer)]
                by_adc = by_tile.reshape(-1, layer.codes_at_once, layer.conversions).swapaxes(1, 2).astype(np.int8)
                for context in range(contexts):
                    write_numbers(block / f"layer{index}_{context}.feed", by_adc[whose[at[0]] == context])
        results = int(results_given(layers[-1], lengths, codes.shape[1]).sum())
        told = (len(words), results, int(sequences[0]), int(fed is not None), self._wait, block)
        cycles, *busy = map(int, self._do(f"run {' '.join(map(str, told))}").split())
        shown = [read_layer(block, index, layer) for index, layer in enumerate(layers)]
        values = 1 if layers[-1].output == "argmax" else layers[-1].outputs
        out, out_cycles = read_recording(block / RESULT, values + 2 + (contexts > 1))
        violations = (block / "violations.txt").read_text(encoding="utf-8").splitlines()
        shutil.rmtree(block)
        records = [record for record, _ in shown]
        if contexts > 1:
            of = [*(steps for _, steps in shown), out[:, -1]]
            records, at, wrong = by_sequence(layers, records, of, [*enumerate(whose)], lengths)
            out, out_cycles = out[at, :-1], out_cycles[at]
            violations += wrong
        seen = Seen(sequences, codes, lengths, records, out.astype(np.int64), out_cycles, violations)
        return Ran(seen, cycles, tuple(busy))

    def _do(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._end() from None
        verdict, _, text = self._process.stdout.readline().strip().partition(" ")
        if verdict == "ok":
            return text
        if verdict == "bad":
            raise ProgramError(f"the native simulation: {text}")
        raise self._end()

    def _end(self) -> ProgramError:
        return ProgramError(f"the native simulation {ended(self._process.wait(), self._folder)}")
