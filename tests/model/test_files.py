"""Files are whole or not there, and an error names the file."""

import errno
import os
from pathlib import Path

import pytest

from ohmgate.model.files import whole, write_together
from ohmgate.model.formats import DesignError


def test_a_file_gets_its_name_when_it_is_written(tmp_path):
    path = tmp_path / "file.txt"
    with whole(path) as part:
        part.write_text("all of it")
        assert not path.exists()
        assert part.suffix == ".txt"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text() == "all of it"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_what_is_broken_off_leaves_the_old_file_and_nothing_else(tmp_path, raised):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def break_off(part):
        part.write_text("half")
        raise raised

    with pytest.raises(raised), whole(path) as part:
        break_off(part)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link.txt", tmp_path / "folder" / "target.txt"
    link.symlink_to(target)
    for text in ("new", "again"):  # first to nowhere, then to a file
        with whole(link) as part:
            part.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "link.txt", "target.txt"]


def test_a_pipe_is_written_to(tmp_path):
    """As a device is: /dev/null must not become a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole(pipe) as part:
        part.write_text("through")
    assert os.read(end, 100) == b"through"
    os.close(end)
    assert pipe.is_fifo()


def test_a_full_disk_names_the_file_and_other_files_keep_their_name(tmp_path):
    path = tmp_path / "file.txt"
    with pytest.raises(OSError, match="No space left") as caught, whole(path):
        raise OSError(errno.ENOSPC, "No space left on device")  # as write() has it
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as caught, whole(tmp_path / "none" / "file.txt") as part:
        part.write_text("")
    assert caught.value.filename == str(tmp_path / "none" / "file.txt")
    with pytest.raises(FileNotFoundError) as caught, whole(path):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")
    assert list(tmp_path.iterdir()) == []


def test_a_set_of_files_is_written_whole_or_stays_as_it_was(tmp_path):
    folder = tmp_path / "deep" / "er"
    assert write_together(folder, {"one": "1", "two": "zwei \u2460"}) == [folder / "one", folder / "two"]
    (folder / "three").mkdir()
    with pytest.raises(DesignError) as error:
        write_together(folder, {"one": "new", "three": "3"})
    assert str(error.value) == f"cannot write the folder {str(folder)!r}: 'three' is a folder"
    with pytest.raises(KeyboardInterrupt):
        write_together(folder, {"one": "new", "two": Interrupted()})
    with pytest.raises(DesignError) as error:
        write_together(folder / "one", {"two": "2"})
    assert str(error.value) == f"cannot write the folder {str(folder / 'one')!r}: File exists"
    assert sorted(p.name for p in folder.iterdir()) == ["one", "three", "two"]
    assert [(folder / name).read_text(encoding="utf-8") for name in ("one", "two")] == ["1", "zwei \u2460"]


def test_a_set_may_have_folders_and_leaves_none_where_it_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_together(tmp_path, {"one": "1", "views/two": "2", "three": Interrupted()})
    assert list(tmp_path.iterdir()) == []
    assert write_together(tmp_path, {"one": "1", "views/two": "2"}) == [tmp_path / "one", tmp_path / "views" / "two"]
    with pytest.raises(KeyboardInterrupt):
        write_together(tmp_path, {"views/two": "II", "three": Interrupted()})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == ["one", "views", "views/two"]
    assert (tmp_path / "views" / "two").read_text() == "2"
    with pytest.raises(DesignError) as error:
        write_together(tmp_path, {"one/two": "2"})
    assert str(error.value) == f"cannot write the folder {str(tmp_path)!r}: File exists"


class Interrupted:
    def encode(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("raised", [OSError(1, "Operation not permitted"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("renames", range(8))
def test_a_set_is_as_it_was_where_a_name_cannot_be_given(tmp_path, monkeypatch, raised, renames):
    """Of four files, the second is new; the error comes at each of the renamings."""
    before = {"one": "1", "three": "3", "four": "4"}
    write_together(tmp_path, before)
    replace, done = Path.replace, []

    def limited(path, target):
        if len(done) == renames:
            done.append(None)
            raise raised
        done.append(path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", limited)
    with pytest.raises((DesignError, KeyboardInterrupt)):
        write_together(tmp_path, {"one": "I", "two": "II", "three": "III", "four": "IV"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_what_a_killed_run_has_put_aside_is_not_put_back(tmp_path, monkeypatch):
    (tmp_path / ".one.before").write_text("old")
    monkeypatch.setattr(Path, "replace", lambda path, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_together(tmp_path, {"one": "1"})
    assert list(tmp_path.iterdir()) == []
