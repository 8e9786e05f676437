"""Every field of a configuration is checked: what is of another kind, or no number, is refused in a sentence."""

import math
from dataclasses import replace

import pytest

from ohmgate.model.formats import DesignError
from tests.analog.studies.test_fingerprint import CONFIG
from tests.fields import every_field

PARTS = [
    CONFIG, CONFIG.cells, CONFIG.cells.device, CONFIG.cells.device.telegraph, CONFIG.cells.device.flicker,
    CONFIG.cells.writer, CONFIG.cells.writer.pulse, CONFIG.cells.writer.switch, CONFIG.cells.repair, CONFIG.cells.wires,
    CONFIG.cells.amplifiers, CONFIG.adc, CONFIG.dac, CONFIG.columns,
]  # fmt: skip


@every_field(PARTS)
def test_what_is_of_another_kind_is_refused(part, name):
    held = getattr(part, name)
    if isinstance(held, bool):
        wrong = [1, None, "yes"]
    elif isinstance(held, str):
        wrong = [3, None] if name == "name" else ["x", 3, None]
    elif isinstance(held, tuple):
        wrong = ["x", None, held[1:], (*held[1:], "x"), (*held[1:], math.nan)]
    else:
        wrong = ["1", None, True, math.nan, -math.inf, -1.0]
        wrong += [held + 0.5] if isinstance(held, int) else []
    for value in wrong:
        with pytest.raises(DesignError) as error:
            replace(part, **{name: value})
        named = value[-1] if isinstance(value, tuple) and len(value) == len(held) else value
        assert str(error.value).endswith(f"not {named!r}")
