"""Whole networks by fast reads: classes or codes of sequences for Monte Carlo, without traces.

The periphery is the reference's, to the bit, from tables made of it: a gate's f is looked up, i*g by the pair of
their codes, the hidden code by the code of o and the index of tanh(c). The cell state is held in float64, which is
exact for every legal cell: its products stay below 2^53.
"""

from collections.abc import Iterator

import numpy as np

from ..model import reference
from ..model.formats import DesignError, full_scale, round_shift, signed_range
from ..model.layers import DenseLayer, LstmLayer, RnnLayer
from ..model.network import LayerData, Network
from ..model.seeds import Seed, child
from ..model.tables import cell_tanh_table
from ..model.threads import one_blas_thread
from .array import Array
from .fast import BLOCK, FastReader, TiledReader, make_reader, why_not
from .inference import classifier, forecaster

LARGEST_TABLE = 2**20


class FastNetwork:
    """A chip, ready to classify or to forecast. Raises :class:`DesignError` where fast reads do not apply."""

    def __init__(self, network: Network, arrays: list[Array], normals: str = "table", seed: Seed = 0) -> None:
        """``arrays`` are those of :func:`.inference.build_arrays`; ``normals`` and ``seed`` make the read noise."""
        head = classifier(network)
        reason = why_not_network(network, arrays)
        if reason:
            raise DesignError(f"fast reads are not for a network with {reason}")
        self._network = network
        readers = [make_reader(array, normals, child(seed, index)) for index, array in enumerate(arrays)]
        self._head = _FastHead(head, readers[-1])
        self._inner = [
            _FastLstm(layer, data, reader) if isinstance(layer, LstmLayer) else _FastSingle(layer, data, reader)
            for layer, data, reader in zip(network.design.layers[:-1], network.layers, readers)
        ]

    @one_blas_thread()
    def classify(self, codes, lengths=None) -> np.ndarray:
        """Class of each sequence (B,), of DAC codes (B, T, m); of the sum of its votes, where the head has some."""
        votes = self._network.design.votes
        sums = self.head_codes(codes, lengths)
        for _ in range(votes - 1):
            sums += self.head_codes(codes, lengths)
        return sums.argmax(axis=1)

    @one_blas_thread()
    def head_codes(self, codes, lengths=None) -> np.ndarray:
        """Codes float (B, k) of the head on each sequence's last step, less the lowest code, in one read of each."""
        codes, lengths = reference.check_inputs(self._network, codes, lengths)
        found = np.zeros((len(codes), self._network.design.layers[-1].outputs), dtype=np.float32)
        for _, sequences, read in self._reads(codes, lengths):
            found[sequences] = read  # the last step counts, whose read is the last one
        return found

    @one_blas_thread()
    def forecast(self, codes, lengths=None) -> np.ndarray:
        """ADC codes int64 of the head, (B, k) at the end or (B, T, k) on every step, 0 past a length."""
        layer = forecaster(self._network)
        codes, lengths = reference.check_inputs(self._network, codes, lengths)
        out = np.zeros((*codes.shape[:2], layer.outputs), dtype=np.int64)
        for step, sequences, read in self._reads(codes, lengths):
            out[sequences, step] = read + layer.output_range[0]
        return out if layer.emit == "step" else out[np.arange(len(out)), lengths - 1]

    def _reads(self, codes: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Every read of the head: step, sequences (n,), and their codes less the lowest code (n, k)."""
        order = np.argsort(-lengths, kind="stable")  # the sequences that are still under way lie in front
        for start in range(0, len(codes), BLOCK):
            block = order[start : start + BLOCK]
            for step, first, read in self._block(codes[block].astype(np.float32), lengths[block]):
                yield step, block[first : first + len(read)], read

    def _block(self, codes: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """Every read of the head: step, the first sequence that is read, codes less the lowest code (n, k)."""
        for layer in self._inner:
            layer.begin(len(codes))
        head = self._head
        for step in range(int(lengths[0])):
            live = int(np.searchsorted(-lengths, -step, side="left"))  # lengths above step
            values = codes[:live, step]
            for layer in self._inner:
                values = layer.step(values)
            ending = lengths[:live] == step + 1
            if head.every_step or ending.any():
                first = 0 if head.every_step else int(ending.argmax())  # ends lie behind, as lengths fall
                yield step, first, head.read(values[first:])


def why_not_network(network: Network, arrays: list[Array]) -> str:
    """What rules out fast reads of this network; empty if nothing does."""
    if network.design.max_steps:
        return "layers in reverse"
    for layer, array in zip(network.design.layers, arrays):
        reason = why_not(array)
        if reason:
            return f"an array with {reason}"
        if (
            isinstance(layer, LstmLayer)
            and layer.table_entries * max(layer.table_entries, 2**layer.tanh_bits) > LARGEST_TABLE
        ):
            return f"{layer.sum_bits}-bit ADCs and a tanh table of {layer.tanh_bits} bits"
    return ""


class _Drive:
    """The rows of one array for a block of sequences; bias rows are always at full scale."""

    def __init__(self, layer, reader: FastReader | TiledReader) -> None:
        self._reader, self._inputs = reader, layer.inputs
        self.rows = np.zeros((BLOCK, layer.rows), reader.dtype)
        if layer.bias_rows:
            self.rows[:, -layer.bias_rows :] = full_scale(layer.dac_bits)

    def read(self, values: np.ndarray) -> np.ndarray:
        """Codes less the lowest code, as floats (B, columns)."""
        self.rows[: len(values), : self._inputs] = values
        return self._reader.offset_codes(self.rows[: len(values)])


class _FastLstm:
    def __init__(self, layer: LstmLayer, data: LayerData, reader: FastReader | TiledReader) -> None:
        self._layer, self._drive = layer, _Drive(layer, reader)
        n, a, fraction = layer.hidden, layer.activation_bits, layer.cell_fraction
        tables = _tables(data).astype(np.int64)
        self._f = tables[0].astype(np.float64) / 2**a
        product = round_shift(tables[1][:, None] * tables[3][None, :], 2 * a - 1 - fraction)
        self._ig = product.astype(np.float64).reshape(-1)
        tanh = cell_tanh_table(layer.tanh_bits, layer.tanh_fraction, a)
        hidden = reference.hidden_code(layer, tables[2][:, None] * tanh[None, :])
        self._h = hidden.astype(reader.dtype).reshape(-1)
        self._hidden = self._drive.rows[:, layer.inputs : layer.inputs + n]
        self._cell = np.zeros((BLOCK, n))
        self._limits = signed_range(layer.cell_bits)
        self._to_index = 2.0 ** (layer.tanh_fraction - fraction)
        self._codes, self._indices = layer.table_entries, 2**layer.tanh_bits

    def begin(self, batch: int) -> None:
        self._cell[:batch] = 0
        self._hidden[:batch] = 0  # not driven on the first step

    def step(self, values: np.ndarray) -> np.ndarray:
        """Hidden codes (B, n) after a time step."""
        count, n = len(values), self._layer.hidden
        codes = self._drive.read(values)
        f, i, o, g = (codes[:, k * n : (k + 1) * n] for k in range(4))
        cell = self._cell[:count]
        kept = np.take(self._f, f.astype(np.intp), mode="clip")
        kept *= cell
        kept += 0.5
        np.floor(kept, out=kept)
        kept += np.take(self._ig, (i * self._codes + g).astype(np.intp), mode="clip")
        np.clip(kept, *self._limits, out=cell)
        index = np.clip(np.floor(cell * self._to_index) + self._indices // 2, 0, self._indices - 1)
        index += o * self._indices
        hidden = np.take(self._h, index.astype(np.intp), mode="clip")
        self._hidden[:count] = hidden
        return hidden


class _FastSingle:
    """An RNN, or a dense layer with a table: the hidden codes of a dense layer are none."""

    def __init__(self, layer: RnnLayer | DenseLayer, data: LayerData, reader: FastReader | TiledReader) -> None:
        self._drive = _Drive(layer, reader)
        self._table = _tables(data)[0].astype(np.float32)
        self._hidden = self._drive.rows[:, layer.inputs : layer.inputs + layer.hidden]

    def begin(self, batch: int) -> None:
        self._hidden[:batch] = 0  # not driven on the first step

    def step(self, values: np.ndarray) -> np.ndarray:
        """DAC codes (B, outputs) by the table."""
        codes = np.take(self._table, self._drive.read(values).astype(np.intp), mode="clip")
        if self._hidden.shape[1]:
            self._hidden[: len(values)] = codes
        return codes


class _FastHead:
    def __init__(self, layer: DenseLayer, reader: FastReader | TiledReader) -> None:
        self._drive = _Drive(layer, reader)
        self.every_step = layer.emit == "step"

    def read(self, values: np.ndarray) -> np.ndarray:
        """Codes less the lowest code (B, k)."""
        return self._drive.read(values)


def _tables(data: LayerData) -> np.ndarray:
    assert data.tables is not None  # as every layer but a head has them
    return data.tables
