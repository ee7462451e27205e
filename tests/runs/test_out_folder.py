"""Out folders: which are free, unfinished or whole, and what a killed process leaves in one."""

from __future__ import annotations

import pytest

from splitgen.claims import MARKER, check_finished, is_whole, read_marker, write_marker
from splitgen.errors import RunFolderError
from splitgen.runs.folder import Arguments, check_out, find_unfinished, name_out, open_folder

RUN = Arguments("make", {"seed": 0, "selection.target": "label"}, ("splitgen", "make", "digits"))
OTHER = Arguments("make", {"seed": 1, "selection.target": "label"}, ("splitgen", "make", "digits"))


def test_a_folder_is_free_unfinished_or_whole(tmp_path):
    out = tmp_path / "out"
    check_out(out)
    folder = open_folder(out, RUN)
    assert not folder.is_resumed
    assert read_marker(out) == {
        "command": "make",
        "arguments": dict(RUN.values),
        "command_line": ["splitgen", "make", "digits", "--out", str(out)],
    }
    check_out(out)
    assert not is_whole(out)
    with pytest.raises(
        RunFolderError, match="its run of 'make' is not finished; go on with it by splitgen make digits"
    ):
        check_finished(out)
    (out / "run.json").write_text("{}")
    folder.keeper.discard()
    assert is_whole(out)
    check_finished(out)
    with pytest.raises(RunFolderError, match="it holds another run, which is whole"):
        check_out(out)


def test_other_files_are_nobodys_run(tmp_path):
    (tmp_path / "holiday.txt").write_text("")
    with pytest.raises(RunFolderError, match="it holds other files, and no unfinished run"):
        check_out(tmp_path)


def test_a_run_that_was_killed_before_it_had_a_marker_leaves_its_folder_free(tmp_path):
    (tmp_path / "states").mkdir()
    (tmp_path / "states/.run.json.abcd1234").write_text('{"comm')
    check_out(tmp_path)
    assert not open_folder(tmp_path, RUN).is_resumed
    assert not (tmp_path / "states/.run.json.abcd1234").exists()


def test_what_was_half_written_is_swept_away_and_nothing_else(tmp_path):
    open_folder(tmp_path, RUN).claim.release()
    for name in (".tasks.parquet.x1y2z3a_", ".DS_Store", "states/.results-00001.safetensors.00000000", ".notes.json"):
        (tmp_path / name).write_text("")
    assert open_folder(tmp_path, RUN).is_resumed
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob(".*")}
    assert left == {".DS_Store", ".notes.json"}


def test_a_run_of_other_arguments_is_refused_and_told_apart(tmp_path):
    open_folder(tmp_path, RUN).claim.release()
    with pytest.raises(RunFolderError, match=r"of other arguments \(seed 0 there, 1 here\); go on with it by splitgen"):
        open_folder(tmp_path, OTHER)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"command": 1, "arguments": {}, "command_line": []}', "\ud800"]
)
def test_a_marker_that_is_none_is_one_line(tmp_path, content):
    write_marker(tmp_path, "make", {}, [])
    (tmp_path / MARKER).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunFolderError, match=r"its states/run.json (cannot be read|is not one of splitgen)"):
        check_out(tmp_path)


def test_the_newest_unfinished_run_of_the_same_arguments_that_nobody_works_at_is_found(tmp_path):
    held = {}
    for number, arguments in enumerate((RUN, OTHER, RUN, RUN)):
        held[number] = open_folder(tmp_path / str(number), arguments)
    for number in (0, 1, 2):
        held[number].claim.release()
    assert [path.name for path in find_unfinished(tmp_path, RUN)] == ["2", "0"]


def test_a_command_line_names_its_folder_once(tmp_path):
    assert name_out(["splitgen", "make"], tmp_path) == ["splitgen", "make", "--out", str(tmp_path)]
    for line in (["splitgen", "--out", "x"], ["splitgen", "--out=x"], []):
        assert name_out(line, tmp_path) == line
