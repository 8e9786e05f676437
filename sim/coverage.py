"""Functional coverage: which of all that could happen has happened, in one trial or in many."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..model.formats import saturate, signed_range, symmetric_codes
from ..model.layers import GATES, Layer, LstmLayer
from ..model.payloads import output_numbers
from ..model.reference import steps_read
from .job import STALLS, DeviceJob, DeviceRecord, LayerRecord

MARKS = {(1, 0): "first", (0, 0): "neither", (0, 1): "last", (1, 1): "first and last"}
SCENARIOS = ("inference", "reset by register", "reset by pin", "wrong image refused", "diagnostics")
NAMED = 12  #: bins that were not seen, of one line of the text


@dataclass
class Item:
    """One thing to cover: all of its bins, and how often each was seen."""

    bins: dict[Hashable, None] = field(default_factory=dict)  #: in their order
    seen: Counter[Hashable] = field(default_factory=Counter)

    @property
    def hit(self) -> int:
        return sum(self.seen[each] > 0 for each in self.bins)

    @property
    def missing(self) -> list[str]:
        return [str(each) for each in self.bins if not self.seen[each]]


class Coverage:
    """What trials have covered, by design, layer and item; a chip's own items have the layer -1."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, int, str], Item] = {}

    def add(self, job: DeviceJob, record: DeviceRecord) -> None:
        """Count what one chip showed at its ports."""
        design = job.network.design
        sequences = np.array(record.facts["sequences"], dtype=np.int64)
        lengths, longest = job.lengths[sequences], job.codes.shape[1]
        for index, (layer, seen) in enumerate(zip(design.layers, record.layers)):
            first = np.argwhere(steps_read(layer, lengths, longest))[:, 1] == 0
            for what, bins, values in _layer(layer, seen, first, job.timing.conversion):
                self._count(design.fingerprint, index, what, bins, values)
        for what, bins, values in _chip(job, record, lengths):
            self._count(design.fingerprint, -1, what, bins, values)

    def _count(
        self, fingerprint: str, index: int, what: str, bins: Iterable[Hashable], values: Iterable[Hashable]
    ) -> None:
        item = self.items.setdefault((fingerprint, index, what), Item())
        item.bins |= dict.fromkeys(bins)
        item.seen.update(values)

    @property
    def designs(self) -> int:
        return len({fingerprint for fingerprint, _, _ in self.items})

    def lines(self) -> list[dict[str, Any]]:
        """Of one design: every layer's items. Of several: sums of each item over all layers; the chips', together."""
        if self.designs < 2:
            return [
                {"layer": index if index >= 0 else "chip", "what": what, "seen": item.hit, "of": len(item.bins)}
                | {"missing": item.missing}
                for (_, index, what), item in sorted(self.items.items(), key=lambda entry: entry[0][1] % (1 << 16))
            ]
        found: dict[str, list[Item]] = {}
        for (_, index, what), item in self.items.items():
            items = found.setdefault(what, [])
            if index >= 0 or not items:
                items.append(Item() if index < 0 else item)
            if index < 0:
                items[0].bins |= item.bins
                items[0].seen += item.seen
        return [
            {"what": what, "seen": sum(i.hit for i in items), "of": sum(len(i.bins) for i in items)}
            | {"in": len(items), "full": sum(not i.missing for i in items)}
            for what, items in found.items()
        ]

    def markdown(self) -> str:
        """The lines as a table."""
        if self.designs < 2:
            rows = ["| layer | what | seen | of | not seen |", "| --- | --- | --- | --- | --- |"]
            for line in self.lines():
                missing = line["missing"]
                more = f" and {len(missing) - NAMED} more" * (len(missing) > NAMED)
                rows.append(
                    f"| {line['layer']} | {line['what']} | {line['seen']} | {line['of']} | "
                    f"{', '.join(missing[:NAMED])}{more} |"
                )
        else:
            rows = [
                "| what | seen | of | share | arrays | with all seen |",
                "| --- | --- | --- | --- | --- | --- |",
            ]
            rows += [
                f"| {x['what']} | {x['seen']} | {x['of']} | {x['seen'] / x['of']:.1%} | {x['in']} | {x['full']} |"
                for x in self.lines()
            ]
        return "\n".join(rows) + "\n"


def _layer(layer: Layer, seen: LayerRecord, first: np.ndarray, conversion: tuple[int, int]):
    """(item, its bins, what was seen of it) of one layer; ``first``: is a reading a sequence's first?"""
    inputs, hidden = (symmetric_codes(bits).tolist() for bits in (layer.input_bits, layer.dac_bits))
    fed_back = slice(layer.inputs, layer.inputs + layer.hidden)
    low, high = signed_range(layer.adc_bits)
    yield "input rows: DAC codes", inputs, seen.drive[:, : layer.inputs].reshape(-1).tolist()
    if layer.hidden:
        later = ~first[: len(seen.drive)]
        yield "hidden rows: DAC codes", hidden, seen.drive[later, fed_back].reshape(-1).tolist()
    yield "ADC codes", range(low, high + 1), seen.adc.reshape(-1).tolist()
    ends = {low: "low end", high: "high end"}
    yield "ADC saturations", ends.values(), [ends[v] for v in seen.adc.reshape(-1).tolist() if v in ends]
    if layer.table_bits:
        names = GATES if layer.kind == "lstm" else ("",)
        gates = np.arange(layer.adcs) // (layer.adcs // layer.gates)  # of each ADC
        codes = layer.summed(seen.adc.reshape(-1, layer.row_tiles, layer.adcs))
        read = Counter(zip(np.broadcast_to(gates, codes.shape).reshape(-1).tolist(), codes.reshape(-1).tolist()))
        least, most = layer.sum_range
        entries = [f"{name} {code}".strip() for name in names for code in range(least, most + 1)]
        yield "table entries read", entries, {f"{names[g]} {code}".strip(): n for (g, code), n in read.items()}
    if isinstance(layer, LstmLayer) and seen.cell is not None:
        yield from _cell(layer, seen.cell)
    if not layer.conversion_cycles:
        least, most = conversion
        yield "conversion times", range(least, most + 1), (seen.adc_cycles - seen.starts + 1).tolist()


def _cell(layer: LstmLayer, cell: np.ndarray):
    """Items of the cell state, which a chip with trace ports shows."""
    low, high = signed_range(layer.cell_bits)
    ends = {low: "low end", high: "high end"}
    yield "cell state saturations", ends.values(), [ends[v] for v in cell.reshape(-1).tolist() if v in ends]
    index = saturate(cell.reshape(-1) >> layer.cell_fraction - layer.tanh_fraction, layer.tanh_bits)
    least, most = signed_range(layer.tanh_bits)
    yield "tanh table entries read", range(least, most + 1), index.tolist()


def _chip(job: DeviceJob, record: DeviceRecord, lengths: np.ndarray):
    """(item, its bins, what was seen of it) of the whole chip."""
    sent = [(int(t == 0), int(t == n - 1)) for n in lengths.tolist() for t in range(n)]
    yield "marks of inputs", MARKS.values(), [MARKS[marks] for marks in sent]
    head = job.network.design.layers[-1]
    given = [tuple(output_numbers(head, payload)[-2:].tolist()) for payload in record.out]
    possible = [name for (_, last), name in MARKS.items() if last or not head.at_end]
    yield "marks of results", possible, [MARKS[marks] for marks in given]
    yield "stalls", STALLS, record.stalls
    resets = record.facts.get("resets", 0)
    counts = (job.scenario == "inference", resets, resets, "refused" in record.facts, job.scenario == "diagnostics")
    possible = SCENARIOS if job.network.design.diagnostics else SCENARIOS[:-1]
    yield "scenarios", possible, {name: int(count) for name, count in zip(possible, counts)}
