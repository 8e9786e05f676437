"""Hypothesis: the same examples in every CI run, others by a seed that is printed."""

import os
import secrets

import pytest
from hypothesis import settings

CI = bool(os.environ.get("CI"))
settings.register_profile("ohmgate", deadline=None, derandomize=CI, print_blob=True)
settings.load_profile("ohmgate")


@pytest.hookimpl(tryfirst=True)  # before hypothesis reads its option; pytest-xdist hands it on to the workers
def pytest_configure(config):
    if not CI and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_terminal_summary(terminalreporter, config):
    seed = config.option.hypothesis_seed
    examples = "the same in every run (CI)" if CI else f"of seed {seed}; again with --hypothesis-seed={seed}"
    terminalreporter.write_line(f"random examples: {examples}")
