"""The options of `verify` that are refused; what it does is in tests/sim/test_trials.py."""

import pytest


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("vowels", "--trials", 0), "trials must be an integer from 1 to 100000, not 0"),
        (("vowels", "--seed", -1), f"seed must be an integer from 0 to {2**31 - 6}, not -1"),
        (("vowels", "--sequences", 0), "sequences must be an integer from 1 to 1000, not 0"),
        (
            ("vowels", "--scenario", "fire"),
            "scenario must be one of all, inference, reset_sweep, refusal, diagnostics, not 'fire'",
        ),
        (("vowels", "--simulator", "vcs"), "simulator must be one of verilator, icarus, not 'vcs'"),
        (("vowels", "--coverage", "x.md"), "the coverage's file must not end in .md, as its table does, but is 'x.md'"),
        (("vowels", "--waves"), "waves are of one trial: give --trials 1 and its --seed, not 5 trials"),
        (("random", "--verilog", "x.v"), "--verilog is for a design, an image or a run, not for random"),
        (("random", "--dataset", "har"), "--dataset is for a design, an image or a run, not for random"),
        (
            ("vowels", "--dataset", "vowels"),
            "--dataset is for an image or a run, whose network says how features become codes",
        ),
        (("vowels", "--verilog", "none.v"), "cannot use 'none.v': No such file or directory"),
        (("none.image",), "'none.image' must be a design (har, names, ptb, vowels, or a .toml file), a programming "
                          "image or a run folder, but there is no such file"),
    ],
    ids=lambda case: " ".join(map(str, case)) if isinstance(case, tuple) else "",
)  # fmt: skip
def test_bad_options_are_one_sentence(ohmgate, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    result = ohmgate("verify", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"ohmgate: error: {sentence}"
    assert list(tmp_path.iterdir()) == []
