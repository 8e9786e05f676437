"""Designs: presets, fingerprints, and one sentence for each broken rule."""

import dataclasses

import numpy as np
import pytest

from ohmgate.model.design import Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer, RnnLayer
from tests.designs import random_design


def design(*layers, name="test"):
    return Design(name, tuple(layers))


PULSED = {"diagnostics": True, "programming": "pulse"}


def lstm(**changes):
    return LstmLayer(**({"inputs": 3, "hidden": 8, "adcs": 8} | changes))


def rnn(**changes):
    return RnnLayer(**({"inputs": 3, "hidden": 8, "adcs": 4} | changes))


def dense(**changes):
    return DenseLayer(**({"inputs": 8, "outputs": 6, "adcs": 3} | changes))


def test_presets():
    assert presets() == ["har", "names", "ptb", "vowels"]
    shapes = {p: [(x.rows, x.columns, x.adcs, x.conversions) for x in Design.load(p).layers] for p in presets()}
    assert shapes == {
        "har": [(10, 32, 16, 2), (65, 128, 16, 8), (33, 6, 6, 1)],
        "names": [(357, 1024, 64, 16), (257, 100, 20, 5)],
        "ptb": [(601, 1200, 60, 20)],
        "vowels": [(45, 128, 16, 8), (33, 9, 9, 1)],
    }


def test_fingerprints_of_the_presets_do_not_change():
    """A change here breaks every image and every bitstream out there: raise CONTRACT_VERSION with it."""
    assert {p: Design.load(p).fingerprint for p in presets()} == {
        "har": "fc970170daeea652",
        "names": "e5589a1d7c2b64b8",
        "ptb": "1de97d1ffe7fbf8d",
        "vowels": "fa038a6ad633f6fd",
    }


def test_what_changes_a_fingerprint():
    base = design(lstm(), dense())
    same = [
        design(lstm(), dense(), name="other"),
        design(lstm(conversion_cycles=5), dense()),
        design(lstm(adc_range=2.0), dense(function="relu")),
        design(lstm(input_dac_bits=4), dense()),
        dataclasses.replace(base, data_registers=True),
        dataclasses.replace(base, contexts=4),
    ]
    assert {d.fingerprint for d in same} == {base.fingerprint}
    different = [
        design(lstm(**change), dense())
        for change in (
            {"adcs": 16}, {"weight_bits": 3}, {"adc_bits": 5}, {"bias_rows": 2}, {"activation_bits": 9}, {"inputs": 4},
            {"cell_bits": 31}, {"cell_fraction": 23}, {"tanh_bits": 7}, {"tanh_fraction": 4}, {"tables": "constant"},
            {"input_drive": 2}, {"input_dac_bits": 8}, {"input_dac_bits": 1},
        )
    ]  # fmt: skip
    constant = [design(lstm(tables="constant", adc_range=r), dense()) for r in (2, 2.0, 3.0)]
    assert constant[0].fingerprint == constant[1].fingerprint
    every = {d.fingerprint for d in [base, *different, *constant]}
    assert len(every) == 1 + len(different) + 2


def one_field_changed(layer):
    """(name, layer) for every field of a layer, so that one that is added cannot be forgotten."""
    choices = {
        "tables": "constant",
        "output": "value" if layer.kind == "lstm" else "codes",
        "function": "relu",
        "emit": "end",
    }
    for field in dataclasses.fields(layer):
        held = getattr(layer, field.name)
        if field.name == "spares":  # which need diagnostics
            yield field.name, dataclasses.replace(layer, diagnostics=True, spares=1)
            continue
        if field.name in {"tile_rows", "tile_columns"}:  # two tiles of rows, or of columns
            size = {"tile_rows": layer.rows - 1, "tile_columns": layer.columns - layer.conversions}[field.name]
            yield field.name, dataclasses.replace(layer, **{field.name: max(size, layer.conversions)})
            continue
        if field.name == "input_tile_shift":  # of tiles with inputs and tiles without
            yield field.name, dataclasses.replace(layer, tile_rows=layer.inputs, input_tile_shift=1)
            continue
        if field.name == "programming":  # by pulses does, too
            yield field.name, dataclasses.replace(layer, diagnostics=True, programming="pulse")
            continue
        if field.name == "votes":  # of a label at a sequence's end
            yield field.name, dataclasses.replace(layer, output="argmax", emit="end", votes=2)
            continue
        if field.name == "joined":  # of two layers: tests/model/test_directions.py
            continue
        if field.name in ("direction", "max_steps"):  # each needs the other
            steps = 5 + (field.name == "max_steps")
            yield field.name, dataclasses.replace(layer, direction="reverse", max_steps=steps)
            continue
        larger = {"conversion_cycles": 7, "diagnostics": True, "adcs": held and 2 * held, "input_dac_bits": 8}
        value = choices[field.name] if isinstance(held, str) else larger.get(field.name, held and held + 1)
        yield field.name, dataclasses.replace(layer, **{field.name: value})


@pytest.mark.parametrize("tables, without", [("loaded", {"adc_range", "function"}), ("constant", set())])
@pytest.mark.parametrize(
    "layer",
    [lstm(hidden=15, adcs=4, cell_bits=31), rnn(hidden=5, adcs=1), dense(outputs=5, adcs=1)],
    ids=lambda layer: layer.kind,
)
def test_every_field_that_decides_numbers_is_in_the_fingerprint(layer, tables, without):
    layer = dataclasses.replace(layer, tables=tables)
    prints = {"as it is": design(layer).fingerprint}
    for name, other in one_field_changed(layer):
        if name == "adcs" or (name == "tables" and tables == "constant"):
            continue  # more ADCs must divide the columns; tables are constant already
        if name in {"conversion_cycles", "diagnostics", "spares", "programming", "tile_columns"} | without:
            assert design(other).fingerprint == prints["as it is"], name
        else:
            prints[name] = design(other).fingerprint
    assert len(set(prints.values())) == len(prints)
    assert design(dataclasses.replace(layer, adcs=5 * layer.adcs)).fingerprint not in prints.values()


def test_toml_round_trip(tmp_path):
    rng = np.random.default_rng(7)
    designs = [Design.load(preset) for preset in presets()] + [random_design(rng) for _ in range(100)]
    designs.append(dataclasses.replace(designs[0], data_registers=True))
    designs.append(dataclasses.replace(designs[0], contexts=16))
    designs.append(design(lstm(diagnostics=True, spares=2)))
    designs.append(design(lstm(diagnostics=True, programming="pulse")))
    for d in designs:
        assert Design.from_dict(d.to_dict()) == d
        d.save(tmp_path / "saved" / "d.toml")
        assert Design.load(tmp_path / "saved" / "d.toml") == d


@pytest.mark.parametrize("reach", [1e-300, 1 / 3, 1e-05, 1024, 3])
def test_a_saved_design_keeps_every_digit(tmp_path, reach):
    d = design(lstm(adc_range=reach))
    d.save(tmp_path / "d.toml")
    assert Design.load(tmp_path / "d.toml").layers[0].adc_range == reach


def test_diagnostics_and_spares_are_written_only_where_they_are_set(tmp_path):
    design(lstm(), dense()).save(tmp_path / "d.toml")
    assert not any(word in (tmp_path / "d.toml").read_text() for word in ("diagnostics", "spares", "programming"))
    design(lstm(diagnostics=True)).save(tmp_path / "d.toml")
    text = (tmp_path / "d.toml").read_text()
    assert "\ndiagnostics = true\n" in text
    assert "spares" not in text
    assert "programming" not in text
    design(lstm(diagnostics=True, programming="pulse")).save(tmp_path / "d.toml")
    assert '\nprogramming = "pulse"\n' in (tmp_path / "d.toml").read_text()


def test_input_dac_bits_are_written_only_where_they_are_set(tmp_path):
    """Images hold the design as it is written: those of before stay byte for byte."""
    design(lstm(), lstm(inputs=8, dac_bits=2, input_dac_bits=4), lstm(inputs=8, dac_bits=2)).save(tmp_path / "d.toml")
    lines = [line for line in (tmp_path / "d.toml").read_text().splitlines() if line.startswith("input_dac_bits")]
    assert lines == ["input_dac_bits = 4"]


def test_a_saved_design_is_read_by_its_suffix(tmp_path):
    with pytest.raises(DesignError) as refused:
        Design.load("vowels").save(tmp_path / "d.tml")
    assert str(refused.value) == f"a design's file must end in .toml, not {str(tmp_path / 'd.tml')!r}"
    assert list(tmp_path.iterdir()) == []


def test_integers_of_numpy_make_the_same_design(tmp_path):
    plain = design(DenseLayer(inputs=3, outputs=2, adcs=1))
    numpy = design(DenseLayer(inputs=np.int64(3), outputs=np.uint8(2), adcs=np.int32(1)))
    assert numpy.fingerprint == plain.fingerprint
    numpy.save(tmp_path / "d.toml")
    assert Design.load(tmp_path / "d.toml") == plain


def test_macro_names_differ_where_macros_differ():
    """Rows of one number are not one macro where inputs are driven harder, or are more of them and hidden rows fewer."""
    variants = [
        lstm(), lstm(dac_bits=3), lstm(weight_bits=3), lstm(adc_bits=3), lstm(adcs=16), lstm(bias_rows=0),
        lstm(inputs=4), lstm(conversion_cycles=9), lstm(input_drive=2), lstm(input_drive=12), lstm(inputs=7, hidden=4),
        lstm(input_dac_bits=3), lstm(input_dac_bits=8), lstm(dac_bits=8, input_dac_bits=4),
        lstm(inputs=2, bias_rows=2), lstm(diagnostics=True), lstm(diagnostics=True, spares=1), dense(inputs=11, outputs=32, adcs=8), dense(inputs=11, outputs=32, adcs=16),
    ]  # fmt: skip
    assert len({v.macro_name for v in variants}) == len(variants)
    assert lstm(input_drive=12, conversion_cycles=9).macro_name == "ohmgate_array_3v12p8b1x32_k8_d4w4n4g4_t9"
    assert lstm().macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4"
    assert lstm(input_dac_bits=8, input_drive=2).macro_name == "ohmgate_array_3v2p8b1x32_k8_d4i8w4n4g4"
    assert lstm(input_dac_bits=4).macro_name == lstm().macro_name, "of as many bits as the other rows"
    assert dense().macro_name == "ohmgate_array_8b1x6_k3_d4w4n4g1"
    assert lstm(diagnostics=True, spares=2).macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4_s2"
    assert lstm(**PULSED).macro_name == "ohmgate_array_3p8b1x32_k8_d4w4n4g4_s0p"


def test_what_layers_hand_on():
    assert (lstm().outputs, lstm(dac_bits=3).output_bits, lstm(output="value", activation_bits=9).output_bits) == (
        8,
        3,
        9,
    )
    assert lstm(dac_bits=3).output_unit == 1 / 3
    assert lstm(output="value", activation_bits=9).output_unit == 2**-8
    narrow = lstm(dac_bits=3, input_dac_bits=8)
    assert (narrow.input_bits, narrow.output_bits, narrow.output_unit, narrow.output_range) == (8, 3, 1 / 3, (-3, 3))
    assert (lstm(dac_bits=3).input_bits, dense(dac_bits=3).input_bits) == (3, 3)
    assert [lstm(adcs=adcs).lanes for adcs in (4, 8, 32)] == [1, 2, 8]
    assert [dense(adc_bits=3, adc_range=r).adc_step for r in (4, 0.5)] == [1.0, 0.125]
    assert [dense(output=output).has_table for output in ("table", "codes", "argmax")] == [True, False, False]


def test_the_ends_of_every_range_are_legal():
    design(lstm(conversion_cycles=2), name="a" * 63)
    design(lstm(conversion_cycles=4095, bias_rows=64, adc_range=1024, dac_bits=1, weight_bits=16, input_drive=16))
    design(
        lstm(bias_rows=0, cell_bits=4, cell_fraction=3, tanh_bits=1, tanh_fraction=3, activation_bits=2, adc_bits=1)
    )
    design(lstm(cell_bits=32, cell_fraction=31, tanh_bits=12, tanh_fraction=31, activation_bits=16, adc_bits=16))
    design(lstm(cell_fraction=0, tanh_fraction=0, inputs=4096, adc_range=1e-9, dac_bits=1, input_dac_bits=16))
    design(lstm(dac_bits=16, input_dac_bits=1), dense(dac_bits=16))
    design(dense(outputs=16384, adcs=4096, output_bits=16))
    assert len(design(*[dense(inputs=6)] * 16).layers) == 16


def test_designs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        lstm().hidden = 3


SENTENCES = [
    (lambda: design(name="9x"), "the design's name must be 1 to 63 of a-z, 0-9 and _ and begin with a letter, not '9x'"),
    (lambda: design(lstm(), name="a" * 64),
     f"the design's name must be 1 to 63 of a-z, 0-9 and _ and begin with a letter, not '{'a' * 64}'"),
    (lambda: design(), "a design must have 1 to 16 layers, not 0"),
    (lambda: design(*[dense(inputs=6)] * 17), "a design must have 1 to 16 layers, not 17"),
    (lambda: design(lstm(adc_range=1024.1)), "layer 0: ADC range must be a number above 0 and at most 1024, not 1024.1"),
    (lambda: design(lstm(adc_range="x")), "layer 0: ADC range must be a number above 0 and at most 1024, not 'x'"),
    (lambda: design(lstm(conversion_cycles=0.0)),
     "layer 0: conversion cycles must be an integer from 2 to 4095, not 0.0 (or 0 for a done handshake)"),
    (lambda: design(lstm(hidden=6, adcs=4), dense(inputs=6), dense(inputs=6, dac_bits=1)),
     "layer 2: DAC bits must be the 4 output bits of layer 1, not 1"),
    (lambda: Design.from_dict({"name": "x", "layer": [{"kind": "dense", "inputs": 1, "adcs": 4}]}, "f"),
     "f: layer 0: outputs is missing"),
    (lambda: design(lstm(inputs=0)), "layer 0: inputs must be an integer from 1 to 4096, not 0"),
    (lambda: design(lstm(adc_bits="x")), "layer 0: ADC bits must be an integer from 1 to 16, not 'x'"),
    (lambda: design(lstm(dac_bits=17)), "layer 0: DAC bits must be an integer from 1 to 16, not 17"),
    (lambda: design(lstm(weight_bits=0)), "layer 0: weight bits must be an integer from 1 to 16, not 0"),
    (lambda: design(lstm(bias_rows=-1)), "layer 0: bias rows must be an integer from 0 to 64, not -1"),
    (lambda: design(lstm(adcs=0)), "layer 0: ADCs must be an integer from 1 to 4096, not 0"),
    (lambda: design(lstm(adcs=12)), "layer 0: ADCs must be 4 times a divisor of the 8 hidden units, not 12"),
    (lambda: design(lstm(adcs=6)), "layer 0: ADCs must be 4 times a divisor of the 8 hidden units, not 6"),
    (lambda: design(lstm(hidden=0)), "layer 0: hidden units must be an integer from 1 to 4096, not 0"),
    (lambda: design(lstm(tables="x")), "layer 0: tables must be one of loaded, constant, not 'x'"),
    (lambda: design(lstm(conversion_cycles=1)),
     "layer 0: conversion cycles must be an integer from 2 to 4095, not 1 (or 0 for a done handshake)"),
    (lambda: design(lstm(conversion_cycles=False)),
     "layer 0: conversion cycles must be an integer from 2 to 4095, not False (or 0 for a done handshake)"),
    (lambda: design(lstm(adc_range=0)), "layer 0: ADC range must be a number above 0 and at most 1024, not 0"),
    (lambda: design(lstm(adc_range=True)), "layer 0: ADC range must be a number above 0 and at most 1024, not True"),
    (lambda: design(lstm(activation_bits=1)), "layer 0: activation bits must be an integer from 2 to 16, not 1"),
    (lambda: design(lstm(cell_bits=33)), "layer 0: cell bits must be an integer from 4 to 32, not 33"),
    (lambda: design(lstm(cell_fraction=32)), "layer 0: cell fraction bits must be an integer from 0 to 31, not 32"),
    (lambda: design(lstm(tanh_bits=13)), "layer 0: tanh index bits must be an integer from 1 to 12, not 13"),
    (lambda: design(lstm(tanh_fraction=25)), "layer 0: tanh fraction bits must be an integer from 0 to 24, not 25"),
    (lambda: design(lstm(output="x")), "layer 0: output must be one of codes, value, not 'x'"),
    (lambda: design(lstm(), name="ohmgate_bench"),
     "the design's name must not begin with ohmgate_, as modules do, but is 'ohmgate_bench'"),
    (lambda: design(lstm(input_drive=17)), "layer 0: input drive must be an integer from 1 to 16, not 17"),
    (lambda: design(lstm(input_dac_bits=17)),
     "layer 0: input DAC bits must be an integer from 1 to 16, not 17 (or 0 for those of the other rows)"),
    (lambda: design(lstm(input_dac_bits=False)),
     "layer 0: input DAC bits must be an integer from 1 to 16, not False (or 0 for those of the other rows)"),
    (lambda: design(lstm(input_dac_bits=9)).check_hardware(),
     "layer 0: input DAC bits of a design for RTL must be an integer from 1 to 8, not 9"),
    (lambda: design(lstm(), lstm(inputs=8, input_dac_bits=8)),
     "layer 1: input DAC bits must be the 4 output bits of layer 0, not 8"),
    (lambda: design(lstm(dac_bits=3, input_dac_bits=4), dense()),
     "layer 1: DAC bits must be the 3 output bits of layer 0, not 4"),
    (lambda: Design.from_dict({"name": "x", "layer": [{"kind": "dense", "inputs": 1, "outputs": 1, "adcs": 1,
                                                       "input_dac_bits": 8}]}, "f"),
     "f: layer 0: unknown key 'input_dac_bits'; a dense layer has adc_bits, adc_range, adcs, bias_rows, "
     "conversion_cycles, dac_bits, diagnostics, emit, function, inputs, output, output_bits, outputs, programming, spares, "
     "tables, tile_columns, tile_rows, votes, weight_bits"),
    (lambda: design(lstm(diagnostics=1)), "layer 0: diagnostics must be true or false, not 1"),
    (lambda: design(lstm(programming="both")), "layer 0: programming must be one of level, pulse, not 'both'"),
    (lambda: design(lstm(programming="pulse")),
     "layer 0: programming by pulses needs diagnostics = true, which read the cells"),
    (lambda: design(lstm(weight_bits=1, **PULSED)),
     "layer 0: programming by pulses needs weights of at least 2 bits, not 1"),
    (lambda: design(lstm(adc_bits=3, **PULSED)),
     "layer 0: programming by pulses needs ADC bits of at least the 4 weight bits, as fewer tell no levels apart, "
     "not 3"),
    (lambda: design(lstm(bias_rows=2, **PULSED)),
     "layer 0: programming by pulses needs at most 1 bias row, as more are read together, not 2"),
    (lambda: design(lstm(**PULSED), lstm(inputs=8, diagnostics=True)),
     "layer 1: programming must be as in layer 0, pulse, not level"),
    (lambda: design(lstm(diagnostics=True, spares=17)), "layer 0: spares must be an integer from 0 to 16, not 17"),
    (lambda: design(lstm(spares=1)),
     "layer 0: spares need diagnostics = true, which find the columns that they replace"),
    (lambda: design(lstm(diagnostics=True, input_dac_bits=1)),
     "layer 0: diagnostics need DAC codes of at least 2 bits, as a code of 1 bit is never 0"),
    (lambda: design(lstm(), dense(diagnostics=True)),
     "layer 1: diagnostics must be as in layer 0, false, not true"),
    (lambda: design(lstm(output="value"), dense()),
     "layer 0: output must be codes unless the layer is the last, not 'value'"),
    (lambda: design(rnn(hidden=0)), "layer 0: hidden units must be an integer from 1 to 4096, not 0"),
    (lambda: design(rnn(adcs=3)), "layer 0: ADCs must be a divisor of the 8 hidden units, not 3"),
    (lambda: design(rnn(function="x")), "layer 0: function must be one of identity, relu, tanh, not 'x'"),
    (lambda: design(rnn(input_drive=17)), "layer 0: input drive must be an integer from 1 to 16, not 17"),
    (lambda: design(rnn(), dense(inputs=9)), "layer 1: inputs must be the 8 outputs of layer 0, not 9"),
    (lambda: design(rnn(), dense(dac_bits=3)), "layer 1: DAC bits must be the 4 output bits of layer 0, not 3"),
    (lambda: design(dense(outputs=0)), "layer 0: outputs must be an integer from 1 to 16384, not 0"),
    (lambda: design(dense(adcs=4)), "layer 0: ADCs must be a divisor of the 6 outputs, not 4"),
    (lambda: design(dense(output="x")), "layer 0: output must be one of table, codes, argmax, not 'x'"),
    (lambda: design(dense(function="x")), "layer 0: function must be one of identity, relu, tanh, not 'x'"),
    (lambda: design(dense(emit="x")), "layer 0: emit must be one of step, end, not 'x'"),
    (lambda: design(dense(output_bits=17)), "layer 0: output bits must be an integer from 1 to 16, not 17"),
    (lambda: design(dense(output="codes"), dense(inputs=6)),
     "layer 0: output must be table unless the layer is the last, not 'codes'"),
    (lambda: design(dense(emit="end"), dense(inputs=6)), "layer 1: no layer can follow layer 0, whose emit is 'end'"),
    (lambda: design(lstm(), dense(inputs=9)), "layer 1: inputs must be the 8 outputs of layer 0, not 9"),
    (lambda: design(lstm(), dense(dac_bits=3)), "layer 1: DAC bits must be the 4 output bits of layer 0, not 3"),
    (lambda: Design.from_dict([], "f"), "f: a design must be a table, not []"),
    (lambda: Design.from_dict({"a": 1}, "f"),
     "f: unknown key 'a'; a design has name, data_registers, contexts, [macro] and [[layer]]"),
    (lambda: Design("x", (lstm(),), data_registers=1), "data_registers must be true or false, not 1"),
    (lambda: Design("x", (lstm(),), contexts=0), "contexts must be an integer from 1 to 16, not 0"),
    (lambda: Design("x", (lstm(),), contexts=17), "contexts must be an integer from 1 to 16, not 17"),
    (lambda: Design("x", (lstm(),), contexts=True), "contexts must be an integer from 1 to 16, not True"),
    (lambda: Design("x", (lstm(),), True, 4), "contexts of a design with data_registers must be 1, not 4"),
    (lambda: Design.from_dict({"name": "x"}, "f"), "f: a design must have at least one [[layer]]"),
    (lambda: Design.from_dict({"layer": [3]}, "f"), "f: layer 0: must be a table, not 3"),
    (lambda: Design.from_dict({"layer": [{}]}, "f"), "f: layer 0: kind must be one of lstm, rnn, dense, not None"),
    (lambda: Design.from_dict({"layer": [{"kind": "lstm", "inputs": 1, "adcs": 4}]}, "f"), "f: layer 0: hidden is missing"),
    (lambda: Design.from_dict({"name": "x", "layer": [{"kind": "dense", "inputs": 0, "outputs": 1, "adcs": 1}]}, "f"),
     "f: layer 0: inputs must be an integer from 1 to 4096, not 0"),
    (lambda: Design.load("nothing"),
     "design must be one of har, names, ptb, vowels or a path to a .toml file, not 'nothing'"),
    (lambda: Design.load("nothing.toml"), "cannot read design 'nothing.toml': No such file or directory"),
]  # fmt: skip


@pytest.mark.parametrize("make, sentence", SENTENCES, ids=[s for _, s in SENTENCES])
def test_a_broken_rule_is_one_sentence(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(
        DesignError, match=r"^f: layer 0: unknown key 'colour'; a dense layer has adc_bits, .*weight_bits$"
    ):
        Design.from_dict({"layer": [{"kind": "dense", "colour": 1}]}, "f")


@pytest.mark.parametrize("content, reason", [
    (b"name = ", "is not valid TOML: "), (b"\xff", "it is not UTF-8 text"),
    (b"n = " + b"1" * 5000, "is not valid TOML: "), (b"n = " + b"[" * 3000, "is not valid TOML: "),
])  # fmt: skip
def test_unreadable_files(tmp_path, content, reason):
    path = tmp_path / "d.toml"
    path.write_bytes(content)
    with pytest.raises(DesignError, match=reason):
        Design.load(path)
