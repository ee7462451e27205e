"""The page: whole, self-contained, escaped, small, and made of whatever a folder holds."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from splitgen import Split, read_split, write_split, write_tasks
from splitgen.data.dataset import describe_dataset
from splitgen.data.metadata import read_metadata
from splitgen.errors import FingerprintError, RunFolderError
from splitgen.explain.attributes import Association
from splitgen.explain.explanation import Explanation
from splitgen.explain.words import ClassReading
from splitgen.report.classes import draw_confusions, say_confusions, tabulate_classes
from splitgen.report.folder import RunFolder, read_run_folder
from splitgen.report.sections import say_command, say_shortcut
from splitgen.runs.report import explain_tasks, report_folder
from splitgen.splits.provenance import IMPORTED, Provenance
from splitgen.splits.split import hash_rows
from splitgen.tasks.tasks_file import SavedTasks
from splitgen.verification.confusion import load_confusion, store_confusion


class Reader(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(hostile, run_folder, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    lamps = np.where(np.arange(hostile.n_points) % 2, "<u>on</u>", "off")
    pd.DataFrame({"id": hostile.ids, "<lamp>": lamps}).to_parquet(folder / "attributes.parquet")
    attributes = read_metadata(folder / "attributes.parquet", hostile.ids)
    report_folder(replace(hostile, metadata=attributes), run_folder, [], 0, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_small_file_that_asks_for_nothing_else(page):
    assert len(page.encode()) < 5_000_000
    read = Reader(page)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "iframe", "object", "audio", "video"}
    sources = [attributes.get("src") or "" for _, attributes in read.tags]
    assert all(source.startswith("data:image/") for source in sources if source)
    assert not re.search(r"url\((?!#)", page)


def test_names_ids_and_metadata_are_text_and_never_markup(page):
    read = Reader(page)
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert not {tag for tag, _ in read.tags} & {"b", "i", "u", "lamp"}
    assert '<script>alert("0")</script> $x^2$' in read.text
    assert "<lamp>" in read.text


def test_the_page_tells_the_story(page):
    text = Reader(page).text
    for said in (
        "Verdict:",
        "What the split exploits",
        "The split, in pictures",
        "Predicted on adversarial test",
        "Predicted under a random split",
        "Datapoint score by class",
        "Similarity of the tasks",
        "One split, judged by each model from scratch",
        "Ways to split, at equal sizes",
        "splitgen make digits --meta-steps 3 --refine-steps 0",
        "agreement score 0.900 (target 0.900, random 0.900)",
    ):
        assert said in text, said


def test_every_image_has_words_and_ids_of_charts_are_their_own(page):
    read = Reader(page)
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    assert len(images) > 200
    assert all(attributes["alt"] for attributes in images)
    ids = [attributes["id"] for _, attributes in read.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert referred <= set(ids)


def test_an_index_file_alone_and_a_folder_without_a_split_have_a_page_too(hostile, run_folder, tmp_path):
    report_folder(hostile, run_folder / "split.parquet", [], 0, tmp_path / "split.html")
    assert "Similarity of the tasks" not in (tmp_path / "split.html").read_text()
    shutil.copy(run_folder / "tasks.parquet", tmp_path)
    report_folder(hostile, tmp_path, [], 0, tmp_path / "tasks.html")
    text = (tmp_path / "tasks.html").read_text()
    assert "Tasks discovered on" in text
    assert "The split, in pictures" not in text


@pytest.mark.parametrize(
    ("way", "weights", "told"),
    [
        ("discovered", None, "The task encoder looked with a:b, untrained and frozen"),
        ("discovered", "#sha256:0", "The task encoder looked with a:b, with weights from a file and frozen"),
        ("given", None, None),
    ],
)
def test_the_page_names_the_rule_and_what_the_encoder_looked_with(hostile, run_folder, tmp_path, way, weights, told):
    config = {"selection": {"rule": "equality"}, "discovery": {"trunk": "a:b", "trunk_weights": weights}}
    write_split(read_split(run_folder).with_metadata(way=way, config=config), tmp_path / "split.parquet")
    report_folder(hostile, tmp_path, [], 0, tmp_path / "report.html")
    text = Reader((tmp_path / "report.html").read_text()).text
    assert "By the rule equality, train is where the task equals the class side, and test all else." in text
    assert (told is None) == ("looked with" not in text)
    assert told is None or told in text


def test_a_page_of_exact_sizes_and_a_trained_encoder_names_neither(page):
    assert "By the rule" not in page
    assert "looked with" not in page


def test_of_many_tasks_the_first_are_shown(hostile, tmp_path):
    margins = np.random.default_rng(0).normal(size=(hostile.n_points, 10)).astype(np.float32)
    write_tasks(SavedTasks(margins, {"dataset": describe_dataset(hostile)}), tmp_path / "tasks.parquet")
    report_folder(hostile, tmp_path, [], 0, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "<h3>task 7</h3>" in text
    assert "<h3>task 8</h3>" not in text


def test_figures_of_other_folders_are_shown_beside(hostile, run_folder, tmp_path):
    report_folder(hostile, run_folder / "split.parquet", [run_folder], 0, tmp_path / "report.html")
    assert "Ways to split, at equal sizes" in (tmp_path / "report.html").read_text()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="it holds no run; give the folder"):
        read_run_folder(tmp_path)


def test_a_folder_of_other_data_is_refused_and_leaves_the_old_page(digits, run_folder, tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(FingerprintError):
        report_folder(replace(digits, fingerprint="sha256:0"), run_folder, [], 0, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"


def load_all(stored):
    return {part: load_confusion(each) for part, each in stored.items()}


def test_the_table_of_classes_agrees_with_the_figures(run_folder):
    folder = read_run_folder(run_folder)
    names = folder.split.metadata["dataset"]["class_names"]
    table = tabulate_classes(folder.split, names, load_all(folder.record["confusion"]))
    *rows, total = table.rows
    assert [float(row[-2].split()[0]) for row in rows] == sorted(float(row[-2].split()[0]) for row in rows)
    test = table.headers.index("test")
    weighted = sum(int(row[test]) * float(row[-2].split()[0]) for row in rows) / int(total[test])
    figure = folder.record["verification"]["figures"]["test_accuracy"]["mean"]
    assert weighted == pytest.approx(100 * figure, abs=0.1)


def test_of_many_classes_the_matrix_shows_the_worst():
    n = 60
    labels = np.repeat(np.arange(n), 2)
    parts = np.array(["train", "test"] * n)
    scores = np.zeros(2 * n, np.float32)
    split = Split(tuple(map(str, range(2 * n))), labels, labels, parts, scores, scores, {"target": "label"})
    confusion = np.eye(n, dtype=int) * 5
    confusion[40:50] = np.eye(n, dtype=int)[:10]
    names = [f"class {c}" for c in range(n)]
    chart, _ = draw_confusions(split, names, load_all({"test": confusion, "random": np.eye(n, dtype=int)}))
    assert "the 24 with the lowest accuracy" in chart.text
    assert "class 45" in chart.svg
    assert "class 59" not in chart.svg


def test_what_is_taken_for_what_is_said_the_most_frequent_first_though_the_rare_is_left_out(monkeypatch):
    n = 300
    labels = np.repeat(np.arange(n), 2)
    parts, zeros = np.array(["train", "test"] * n), np.zeros(2 * n, np.float32)
    split = Split(tuple(map(str, range(2 * n))), labels, labels, parts, zeros, zeros, {"target": "label"})
    confusion, names = np.eye(n, dtype=int) * 90, [f"class {c}" for c in range(n)]
    confusion[7, 9], confusion[200, 3], confusion[5, 6], confusion[4, 6] = 30, 60, 15, 1
    monkeypatch.setattr("splitgen.verification.confusion.MAX_WRONG", 3)
    stored = {"test": store_confusion(confusion, np.arange(n)), "random": store_confusion(confusion.T, np.arange(n))}
    assert len(stored["test"]["counts"]) == n + 3
    lines = say_confusions(split, names, load_all(stored))
    assert lines == [
        "class 200 is taken for class 3: 40.0 % of its test rows (0.0 % under a random split)",
        "class 7 is taken for class 9: 25.0 % of its test rows (0.0 % under a random split)",
        "class 5 is taken for class 6: 14.3 % of its test rows (0.0 % under a random split)",
    ]
    table = tabulate_classes(split, names, load_all(stored))
    assert [row[0] for row in table.rows[:4]] == ["class 200", "class 7", "class 5", "class 4"]
    assert table.rows[3] == ["class 4", "1", "1", "98.9 %", "100.0 %"]
    assert table.rows[-1] == ["all 300 classes", "300", "300", "", ""]


def test_the_main_sentence_names_a_class_only_where_its_own_datapoints_show_it():
    """Side + is bright and is train in a, c and e; c goes by its edges, in d side + is dark, e goes by nothing."""
    sides = [1, -1, 1, -1, 1]
    bright = Association("brightness", "image", 0.8, 0.3, "dark", "bright")
    edges = Association("edge density", "image", 0.9, 0.4, "plain", "rich in edges")
    faint = Association("brightness", "image", 0.55, 0.0, "dark", "bright")
    dark = replace(bright, side_0="bright", side_1="dark")
    own = {0: (bright, 0.9), 1: (bright, 0.8), 2: (edges, 0.7), 3: (dark, 0.2), 4: (faint, 0.55)}
    within = tuple(ClassReading(c, "abcde"[c], *each) for c, each in own.items())
    labels = np.arange(5)
    rows = np.zeros(5, np.float32)
    split = Split(tuple("vwxyz"), labels, labels, np.full(5, "train"), rows, rows, {"class_sides": sides})
    said = say_shortcut(split, "abcde", [Explanation("task 0", 5, (bright,), within, None, ())])
    assert said is not None
    assert said.startswith("In train, a goes with bright and b goes with dark. In test it is the other way round")
    assert said.endswith(
        "It parts c, d, e less well: in train c goes with rich in edges; d goes with bright; nothing is clear in e."
    )
    assert say_shortcut(split, "abcde", [Explanation("task 0", 5, (bright,), within[2:], None, ())]) is None


def test_a_command_is_repeated_with_steps_for_its_budget():
    record = {"command_line": ["splitgen", "make", "my data", "--budget=9m", "--refine-steps", "5"]}
    done = {"discovery": {"meta_steps": 7}, "refinement_steps": 4}
    assert say_command(record | done) == "splitgen make 'my data' --meta-steps 7 --refine-steps 4"
    on_two = record | done | {"environment": {"threads": 2}}
    assert say_command(on_two) == "splitgen make 'my data' --meta-steps 7 --refine-steps 4 --threads 2"
    given = {"command_line": ["splitgen", "verify", "--threads=8", "run"], "environment": {"threads": 8}}
    assert say_command(given) == "splitgen verify run --threads 8"
    assert say_command({}) is None


def test_what_a_budget_chose_is_repeated_from_the_run():
    record = {"command_line": ["splitgen", "split", "--budget", "9m", "a run"], "command": "split", "tasks": "/a run"}
    assert say_command(record | {"chosen": {"search": {"rows": [9]}}}, "b") == "splitgen split '/a run' --replay b"
    assert (
        say_command({"command_line": ["x"], "command": "make", "chosen": {"x": 1}}, "b") == "splitgen make --replay b"
    )


def test_models_judged_on_another_split_or_other_data_are_not_shown_beside(hostile, run_folder, tmp_path):
    record = json.loads((run_folder / "run.json").read_text())
    split = read_split(run_folder)
    right = {"fingerprint": hostile.fingerprint}
    wrong = {
        "another split": {"rows_hash": "other", "dataset": right},
        "fingerprint x": {"dataset": {"fingerprint": "x"}},
    }
    for words, told in wrong.items():
        (tmp_path / "run.json").write_text(json.dumps({"transfer": record["transfer"], **told}))
        with pytest.raises(FingerprintError, match=words):
            report_folder(hostile, run_folder, [tmp_path], 0, tmp_path / "report.html")
    whole = {"transfer": record["transfer"], "rows_hash": hash_rows(split), "dataset": right}
    (tmp_path / "run.json").write_text(json.dumps(whole))
    report_folder(hostile, run_folder, [tmp_path], 0, tmp_path / "report.html")
    assert "judged by each model" in (tmp_path / "report.html").read_text()


def test_an_imported_split_is_read_by_the_rows_that_it_names(digits, tmp_path):
    """Of the rest, which is most, nothing is said: the user's column parts train from test."""
    parts = np.array(["train", "test", *["reserve"] * 8])[np.arange(digits.n_points) % 10]
    sites = pd.DataFrame({"site": np.where(parts == "train", "a", "b")})
    nothing = np.full(digits.n_points, np.nan, np.float32)
    metadata = Provenance(IMPORTED, None, IMPORTED).describe()
    split = Split(digits.ids, digits.labels, digits.labels, parts, nothing, nothing, metadata)
    folder = RunFolder(tmp_path, split, None, {})
    first = explain_tasks(replace(digits, metadata=sites), folder, 0)[0]
    assert first.associations[0].name == "site"
    assert first.associations[0].auc == 1
    assert first.n_rows == (parts != "reserve").sum()
