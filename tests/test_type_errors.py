"""The check of types in `make lint`: which errors it refuses. basedpyright itself runs there."""

from tests.type_errors import LIST, ROOT, Error, fewer, listed, refused


def errors(path: str, count: int = 1, rule: str = "reportReturnType") -> list[Error]:
    place = {"file": str(ROOT / path), "range": {"start": {"line": 6}}}
    return [{**place, "message": "no int\n  but None", "rule": rule}] * count


def test_a_folder_may_have_what_the_list_says_and_no_more():
    most = listed(
        "# Page\n| `model/` | 9 | of another list |\n\n## Types\n\n| `train/` | 2 | x |\n| `tests/` | any | |\n"
    )
    assert most == {"train": 2, "tests": float("inf")}
    assert refused(errors("train/x.py", 2) + errors("tests/x.py", 99), most) == []
    assert refused(errors("train/x.py", 3), most) == ["train/x.py:7: no int (reportReturnType)"] * 3 + [
        "train/: 3 type errors, at most 2"
    ]
    assert refused(errors("model/room/x.py"), most) == [
        "model/room/x.py:7: no int (reportReturnType)",
        "model/: 1 type errors, at most 0",
    ]
    assert fewer(errors("train/x.py", 2) + errors("tests/x.py"), most) == []
    assert fewer(errors("train/x.py"), most) == ["train/: 1 type errors; say so in docs/testing.md"]


def test_a_syntax_error_has_no_rule():
    [error] = errors("cli/x.py")
    del error["rule"]
    assert refused([error], {}) == ["cli/x.py:7: no int (syntax)", "cli/: 1 type errors, at most 0"]


def test_an_import_that_is_not_found_is_refused_everywhere():
    missing = errors("tests/x.py", rule="reportMissingImports")
    assert refused(missing, {"tests": float("inf")}) == ["tests/x.py:7: no int (reportMissingImports)"]


def test_folders_that_are_clean_are_not_listed():
    most = listed(LIST.read_text(encoding="utf-8"))
    assert {"train", "tests"} <= set(most)
    assert not {"model", "firmware", "cli", "analog", "sim", "report"} & set(most)
