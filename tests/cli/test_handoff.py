"""``ohmgate handoff``: what it leaves, and what it refuses."""

import pytest

pytest.importorskip("klayout", reason="handoff needs klayout, of the extra of its name")


def test_a_folder_has_what_generate_writes_and_the_macros_views(ohmgate, tiny, tmp_path):
    done = ohmgate("handoff", tiny / "one.toml", "--out", tmp_path / "handoff")
    assert done.exit_code == 0, done.stderr
    assert ohmgate("generate", tiny / "one.toml", "--out", tmp_path / "generated").exit_code == 0
    there, generated = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "handoff", tmp_path / "generated")
    )
    assert generated.items() <= there.items()
    [macro] = [name.removeprefix("blackbox/").removesuffix(".v") for name in there if name.startswith("blackbox/")]
    assert {f"lef/{macro}.lef", f"liberty/{macro}.lib", f"gds/{macro}.gds"} <= set(there)
    assert {f"{tmp_path}/handoff/{name}: {len(content)} bytes" for name, content in there.items()} == set(
        done.stdout.split("\n")
    ) - {""}


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--technology-lef", "none.lef"), "cannot read the technology LEF 'none.lef': No such file or directory"),
        (("--period", 0), "the clock's period must be from 0.01 to 1000000 ns, not 0.0"),
        (("--cell-pitch", 0), "the cells' pitch must be from 0.01 to 100 um, not 0.0"),
    ],
)
def test_what_is_refused_leaves_nothing(ohmgate, tiny, tmp_path, options, sentence):
    done = ohmgate("handoff", tiny / "one.toml", *options, "--out", tmp_path / "handoff")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f"ohmgate: error: {sentence}")
    assert not (tmp_path / "handoff").exists()
