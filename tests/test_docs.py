"""The pages: the site builds without a warning, links lead somewhere, commands run, notebooks run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import ohmgate

ROOT = Path(__file__).parent.parent


def test_the_site_builds_without_a_warning_and_takes_nothing_from_elsewhere(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert pages
    for page in pages:
        outside = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?://[^\" >]*)", page.read_text("utf-8"))
        assert outside == [], page.name


def test_every_name_of_the_package_is_on_the_page_of_the_api():
    page = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: ohmgate\.(\w+)$", page, re.MULTILINE)) == set(ohmgate.__all__)
