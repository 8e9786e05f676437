"""A pytest plugin: appends every test's seconds to the file $MUTANTS_DURATIONS, as lines of JSON."""

import json
import os


def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with open(os.environ["MUTANTS_DURATIONS"], "a", encoding="utf-8") as out:
            out.write(json.dumps([report.nodeid, report.when, report.duration, report.outcome]) + "\n")
