"""Array configurations from TOML files: round trips, the base, what the manual shows, and one test per sentence."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from ohmgate.analog.circuit.processes import PROCESSES, with_process
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.config_file import load_config, read_config
from ohmgate.analog.converters import AdcErrors
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import Device
from ohmgate.analog.memory.programming import PulseModel, WriteVerify
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.memory.writers import WRITERS
from ohmgate.model.formats import DesignError

MANUAL = Path(__file__).parents[2] / "docs/array.md"
EVERYTHING = replace(
    preset("reram"), weight_noise=0.02, redraw="per_step", adc_sigma=0.2,
    cells=replace(
        preset("reram").cells, seconds=1e6, kelvin=330.0, stuck_on=0.02, stuck_off=0.03, column_scaling=True, slices=1,
        writer=WriteVerify(pulse=PulseModel(set_step=0.5), max_pulses=9), repair=Repair(flip=False, spares=2),
        wires=WireConfig(row_segment=1.5, driver_ends=2), tile=64, compensate=True,
    ),
)  # fmt: skip


def toml(config, part: str = "") -> str:
    """The whole configuration as TOML, every default written out; None is left out."""
    held = {field.name: getattr(config, field.name) for field in fields(config)}
    held = {name: value for name, value in held.items() if value is not None}
    tables = {name: value for name, value in held.items() if is_dataclass(value)}
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in held.items() if name not in tables}
    lines = [f"[{part}]"] if part else []
    lines += [f"{name} = {'inf' if value == float('inf') else json.dumps(value)}" for name, value in plain.items()]
    return "\n".join(lines) + "\n" + "".join(toml(v, f"{part}.{n}".lstrip(".")) for n, v in tables.items())


def read(folder: Path, text: str) -> ArrayConfig:
    (folder / "my.toml").write_text(text, encoding="utf-8")
    return read_config(folder / "my.toml")


@pytest.mark.parametrize("config", [*PRESETS.values(), EVERYTHING], ids=[*PRESETS, "everything"])
def test_every_configuration_round_trips(tmp_path, config):
    found = read(tmp_path, toml(config))
    assert found == config
    assert repr(found) == repr(config), "a Monte Carlo study would not know its draws again"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_alone_is_that_preset(tmp_path, name):
    assert read(tmp_path, f'preset = "{name}"\n') == preset(name)


def test_an_empty_file_is_the_ideal_array(tmp_path):
    assert read(tmp_path, "") == ArrayConfig()


def test_tables_change_the_preset_and_add_to_it(tmp_path):
    base = preset("paper_cells")
    text = (
        'preset = "paper_cells"\n[cells]\nseconds = 60\n[cells.device]\nlevels = 4\n[cells.wires]\nsense = 5\n[adc]\n'
    )
    device = replace(base.cells.device, levels=4)
    cells = replace(base.cells, seconds=60.0, device=device, wires=WireConfig(sense=5.0))
    assert read(tmp_path, text) == replace(base, cells=cells, adc=AdcErrors())


@pytest.mark.parametrize("name", WRITERS)
def test_a_technology_names_the_writer_to_begin_with(tmp_path, name):
    found = read(tmp_path, f'preset = "reram"\n[cells.writer]\ntechnology = "{name}"\nmax_pulses = 7\n')
    assert found.cells.writer == replace(WRITERS[name](), max_pulses=7)


def test_whole_numbers_are_the_same_study(tmp_path):
    device = (
        '\n[cells.device]\nname = "d"\ng_min = {}\ng_max = 1e-5\nlevels = 2\nread_voltage = {}\nprogram_sigma = [{}]'
    )
    whole = read(tmp_path, "[cells]\nkelvin = 310" + device.format(0, 1, "0, 1, 0"))
    assert repr(whole) == repr(
        read(tmp_path, "[cells]\nkelvin = 310.0" + device.format("0.0", "1.0", "0.0, 1.0, 0.0"))
    )
    made = Device(name="d", g_min=0.0, g_max=1e-5, levels=2, read_voltage=1.0, program_sigma=(0.0, 1.0, 0.0))
    assert repr(whole) == repr(ArrayConfig(cells=Cells(device=made, kelvin=310.0)))


def test_the_example_of_the_manual_is_what_it_says(tmp_path):
    [text] = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), flags=re.DOTALL)
    base = preset("reram")
    cells = replace(
        base.cells, seconds=2.6e6, kelvin=358.0, stuck_on=0.005, tile=64, compensate=True, repair=Repair(spares=4),
        device=replace(base.cells.device, program_sigma=(0.03, 0.0, 0.0)),
        wires=WireConfig(row_segment=1.0, column_segment=1.0),
        writer=WriteVerify(max_pulses=50, pulse=PulseModel(set_step=0.2)),
    )  # fmt: skip
    adc = replace(base.adc, kind="sar", mismatch=0.01)
    assert read(tmp_path, text) == replace(base, adc_sigma=0.1, cells=cells, adc=adc)


def test_wires_of_a_process_by_name(tmp_path):
    wires = read(
        tmp_path, 'preset = "mram"\n[cells.wires]\nprocess = "cu_22nm"\ndriver = 500\nrow_segment = 2\n'
    ).cells.wires
    assert wires == replace(with_process("cu_22nm", WireConfig(driver=500.0)), row_segment=2.0)


def test_a_name_or_a_path(tmp_path):
    path = tmp_path / "mram.toml"
    path.write_text('preset = "mram"\n[cells]\nseconds = 5.0\n')
    assert load_config("mram") == preset("mram")
    assert load_config(str(path)) == read_config(path) != preset("mram")


IN = "array configuration 'FILE'"
SENTENCES = [
    ("a = = 1", f"{IN} is not valid TOML: Invalid value (at line 1, column 5)"),
    ('preset = "x"', f"FILE: array preset must be one of {', '.join(PRESETS)}, not 'x'"),
    ('preset = "reram"\n[cells.writer]\ntechnology = "x"',
     "FILE: technology of a writer must be one of reram, pcm, mram, nor_flash, not 'x'"),
    ('[cells.writer]\ntechnology = "pcm"', "FILE: a writer's technology needs a preset with cells"),
    ("preset = 1", f"FILE: array preset must be one of {', '.join(PRESETS)}, not 1"),
    ("beta = 1", "FILE: unknown key 'beta'; an array has preset, adc, adc_noise, adc_sigma, cells, columns, dac, gains, "
     "redraw, weight_noise"),
    ("[dac]\nbow = 1", "FILE: dac: unknown key 'bow'; dac has bow_sigma, gain_sigma, mismatch, noise_sigma, offset_sigma"),
    ('preset = "reram"\n[cells.device.flicker]\nup = 1', "FILE: cells.device.flicker: unknown key 'up'; "
     "cells.device.flicker has density, high, low"),
    ("cells = 5", "FILE: cells must be a table, not 5"),
    ("[[adc]]", "FILE: adc must be a table, not [{}]"),
    ('preset = "mram"\n[cells]\ndevice = "pcm"', "FILE: cells.device must be a table, not 'pcm'"),
    ('[cells.wires]\nprocess = "x"', "FILE: cells.wires: process of wires must be one of "
     f"{', '.join(PROCESSES)}, not 'x'"),
    ("[cells]", "FILE: cells: device is missing"),
    ('[cells.device]\nname = "d"', "FILE: cells.device: g_min is missing"),
    ("weight_noise = 2", "FILE: weight noise must be a number from 0 to 1, not 2.0"),
    ('weight_noise = "0.1"', "FILE: weight noise must be a number from 0 to 1, not '0.1'"),
    ("weight_noise = true", "FILE: weight noise must be a number from 0 to 1, not True"),
    ("weight_noise = nan", "FILE: weight noise must be a number from 0 to 1, not nan"),
    (f"weight_noise = 1{'0' * 400}", "FILE: weight noise must be a number from 0 to 1, not inf"),
    ("weight_noise = [0.1]", "FILE: weight noise must be a number from 0 to 1, not [0.1]"),
    ("[weight_noise]", "FILE: weight noise must be a number from 0 to 1, not {}"),
    ('redraw = ["per_step"]', "FILE: redraw must be one of per_programming, per_sequence, per_step, not ['per_step']"),
    ("adc_sigma = 1", "FILE: ADC sigma needs ADC noise 'physical', not 'none'"),
    ('preset = "pcm"\n[cells]\nkelvin = 2000', "FILE: cells: temperature in kelvin must be a number from 1 to 1000, "
     "not 2000.0"),
    ('preset = "pcm"\n[cells]\nslices = 1.0', "FILE: cells: slices must be an integer from 0 to 16, not 1.0"),
    ('preset = "pcm"\n[cells]\nthermal = 1', "FILE: cells: thermal noise must be true or false, not 1"),
    ('preset = "pcm"\n[cells]\nshot = "yes"', "FILE: cells: shot noise must be true or false, not 'yes'"),
    ('preset = "pcm"\n[cells]\ntile = 8', "FILE: cells: tiles and compensation of wires need cells with wires"),
    ("[adc]\ncalibrate = 1", "FILE: adc: ADC calibration must be true or false, not 1"),
    ('preset = "pcm"\n[cells.device]\ndrift_mean = [1, 2]', "FILE: cells.device: pcm: drift_mean must be 4 numbers, "
     "not (1.0, 2.0)"),
    ('preset = "pcm"\n[cells.device]\nprogram_sigma = [0, 0, "x"]', "FILE: cells.device: pcm: program_sigma must be a "
     "number from -1e+06 to 1e+06, not 'x'"),
    ('preset = "pcm"\n[cells.device]\nname = 5', "FILE: cells.device: the device's name must be text, not 5"),
    ('preset = "pcm"\n[cells.device]\ng_min = "0"', "FILE: cells.device: pcm: g_min in S must be from 0 to below g_max "
     "2.5e-05, not '0'"),
    ('preset = "pcm"\n[cells.writer.pulse]\nendurance = 0', "FILE: cells.writer.pulse: endurance in pulses must be a number from "
     "1 to inf, not 0.0"),
]  # fmt: skip


@pytest.mark.parametrize("text, sentence", SENTENCES, ids=[sentence[:70] for _, sentence in SENTENCES])
def test_errors_are_one_sentence(tmp_path, text, sentence):
    with pytest.raises(DesignError) as error:
        read(tmp_path, text)
    assert str(error.value) == sentence.replace("FILE", str(tmp_path / "my.toml"))


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "my.toml"
    with pytest.raises(DesignError) as error:
        read_config(path)
    assert str(error.value) == f"cannot read array configuration '{path}': No such file or directory"
    path.write_bytes(b'preset = "\xff"')
    with pytest.raises(DesignError) as error:
        read_config(path)
    assert str(error.value) == f"cannot read array configuration '{path}': it is not UTF-8 text"


def test_a_name_that_is_no_preset_is_named():
    with pytest.raises(DesignError) as error:
        load_config("pcm", "cells", ("reram", "mram"))
    assert str(error.value) == "cells must be one of reram, mram or a path to a .toml file, not 'pcm'"


def test_the_document_has_the_unit_of_every_number():
    table = MANUAL.read_text(encoding="utf-8").partition("Their units:\n")[2].partition("What a table leaves out")[0]
    told = set(re.findall(r"`(\w+)`", table))
    assert told == set(numbers(ArrayConfig))


def numbers(kind: type) -> Iterator[str]:
    """Names of the fields of ``kind`` and of what it holds that are no whole numbers."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        inner = [hint for hint in (hints[field.name], *get_args(hints[field.name])) if is_dataclass(hint)]
        if inner:
            yield from numbers(inner[0])
        elif hints[field.name] is float or get_origin(hints[field.name]) is tuple:
            yield field.name
