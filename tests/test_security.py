"""What docs/SECURITY.md promises: hostile names through all that is written, and files that are bombs or code.

Beside it: tests/test_trust.py (models that files name), tests/data/test_decode_limits.py and test_archives.py (images,
archives), tests/data/test_links.py, tests/exports/test_formulas.py, tests/screen/test_console.py.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import socket
import sys
import xml.etree.ElementTree as ET
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import run_command
from PIL import Image
from sklearn.datasets import load_digits

import splitgen
from splitgen import DataConfig, export_split, find_model, open_dataset, read_split, write_split
from splitgen.errors import ExportError, SourceError, SplitFileError, WeightsError
from splitgen.exports.registry import EXPORTERS
from splitgen.ids import guard_id
from splitgen.models.registry import build_network
from splitgen.models.weights import read_weights
from splitgen.plugins import import_named
from splitgen.screen.console import clean, escape_controls
from splitgen.tables.table import read_table

QUICK = Path(__file__).with_name("quick.toml")
FAST = ["--config", QUICK, "--meta-steps", 1, "--refine-steps", 0, "--seeds", 2, "--epochs", 1, "--model", "mlp"]
CLASSES = (
    '<script>alert("1")',
    "=cmd|'x'!A1",
    '"><img src=x onerror=alert(1)>',
    "::error file=a%0A,line=1::x",
    "| `a` @team ![l](http:e) <b> #1 www.evil.com",
    "';]]>--><\u2215style><!-- &lt;b&gt; {{ 7*7 }}",
    '#010101 id="x',
    "\u202eevil\u2028",
    "-2+3",
    "two\nlines\r##[error]x",
)
COLUMN = "=<u>who</u>::|`"
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "details", "summary"),
    *("div", "p", "h1", "h2", "h3", "h4", "ul", "li", "strong", "code", "figure", "figcaption", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "defs", "g", "path", "text", "tspan", "use", "clippath", "rect", "image"),
}


class Reader(HTMLParser):
    """Tags, attributes and texts of a page, as a browser would have them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run on digits in whose folder every name that others give is hostile: classes, files, groups, a column."""
    folder, digits = tmp_path_factory.mktemp("hostile"), load_digits()
    table = []
    for c, name in enumerate(CLASSES):
        (folder / "pictures" / name).mkdir(parents=True)
        for number, row in enumerate(np.flatnonzero(digits.target == c)[:40]):
            key = f'{name}/=1+{number}<i>"&%0A::x|`.png'
            Image.fromarray((15 * digits.images[row]).astype(np.uint8)).save(folder / "pictures" / key)
            table.append({"id": key, COLUMN: f'"><b>{number // 2}|\u202e::'})
    pd.DataFrame(table).to_parquet(folder / "people.parquet")
    options = ["--metadata", "people.parquet", "--group-column", COLUMN, "--out", "run", "--threads", 1]
    done = run_command("make", "folder:pictures", *options, *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "said").write_text(done.stdout + done.stderr, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def split(folder):
    return read_split(folder / "run")


def check_lines(text: str) -> None:
    """Nothing that a terminal or the log of a workflow would obey."""
    assert text.isprintable() or all(line.isprintable() for line in text.split("\n")), ascii(text)
    assert "::" not in text
    assert "##[" not in text


def test_what_is_printed_is_obeyed_by_no_terminal_and_no_log(folder, split):
    said = (folder / "said").read_text(encoding="utf-8")
    check_lines(said)
    worse = [f"{name}\x1b]0;t\x07\x9b31m\r" for name in split.class_names]
    written = split.with_metadata(dataset={**split.metadata["dataset"], "class_names": worse, "source": worse[3]})
    write_split(written, folder / "worse.parquet")
    for arguments in (["show", "run"], ["show", "worse.parquet"], ["export", "worse.parquet", "--to", CLASSES[3]]):
        more = ["--out", CLASSES[9]] if arguments[0] == "export" else []
        done = run_command(*arguments, *more, cwd=folder, COLUMNS="400")
        check_lines(done.stdout + done.stderr)
        if "worse.parquet" in arguments and not more:
            assert [name for name in worse if clean(name) not in done.stdout] == []
    done = run_command("show", "worse.parquet", "--json", cwd=folder)
    assert json.loads(done.stdout)["metadata"]["dataset"]["class_names"] == worse
    assert done.stdout.isascii()


def test_the_report_has_names_as_text_alone(folder):
    page = (folder / "run" / "report.html").read_bytes().decode()
    read = Reader(page)
    assert read.tags <= TAGS, read.tags - TAGS
    assert not {name for name, _ in read.attributes if name.startswith("on") or name in ("srcdoc", "action")}
    links = [value or "" for name, value in read.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith(("#", "data:image/")) for value in links)
    text = "\n".join(read.texts)
    for name in CLASSES:
        assert escape_controls(name) in text, name
    assert not re.search("[\u202e\u2028\x1b]", page)
    assert {CLASSES[6]} <= {each.strip() for each in read.texts if "#010101" in each}  # on charts, too
    assert "var(--ink) id=" not in text
    assert "default-src 'none'" in page


def test_gates_reports_decode_to_the_names_that_were_given(folder, split):
    test = split.indices("test")
    table = {"id": [split.ids[row] for row in test], "prediction": (split.targets[test] + 1) % len(CLASSES)}
    pd.DataFrame(table).to_parquet(folder / "predictions.parquet")
    name = f"a {CLASSES[4]}]]> {CLASSES[3]}\x1b\n\t\r.parquet"
    (folder / name).write_bytes((folder / "run" / "split.parquet").read_bytes())
    reports = {"--junit": "junit.xml", "--out": "gate.json"}
    options = [part for pair in reports.items() for part in pair]
    done = run_command(
        *("check", name, "--predictions", "predictions.parquet", "--fail-under", 0.5, "--fail-under-class", 0.5),
        *options,
        cwd=folder,
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"),
        COLUMNS="60",
    )
    assert done.returncode == 1, done.stderr
    check_lines(done.stdout + done.stderr)
    assert json.loads((folder / "gate.json").read_text())["results"][0]["split"] == name
    suite = ET.parse(folder / "junit.xml").getroot()[0]
    shown = name.replace("\x1b", "\ufffd")
    assert {each.get("name"): each.get("value") for each in suite[0]}["split"] == shown
    assert suite.get("name") == f"{shown} predictions.parquet"
    assert [each.tag for case in suite.findall("testcase") for each in case] == ["failure", "failure"]
    rows = [line for line in (folder / "summary.md").read_text().splitlines() if line.startswith("|")]
    assert [row.count("|") for row in rows] == [5] * 4
    assert not re.search(r"[\x1b`@!\[\]<>]", re.sub("</?code>", "", "".join(rows)))


def read_ids(path: Path, column: str) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


COLUMNS = {"csv": "id", "celeba": "image_id", "wilds": "id", "subpopbench": "filename", "group-dro": "img_filename"}


@pytest.mark.parametrize("consumer", EXPORTERS)
def test_every_export_stays_where_it_is_told_and_keeps_the_ids(folder, split, tmp_path, consumer):
    out = tmp_path / "in" / "out"
    export_split(split, consumer, out, images=folder / "pictures")
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    if consumer in COLUMNS:
        assert read_ids(out, COLUMNS[consumer]) == [guard_id(key) for key in split.ids]
    elif consumer == "jsonl":
        assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == list(split.ids)
    elif consumer == "huggingface":
        assert sorted(pq.read_table(out)["id"].to_pylist()) == sorted(split.ids)
    elif out.is_dir():
        links = [path for path in out.rglob("*") if path.is_symlink()]
        pictures = (folder / "pictures").resolve()
        assert sorted(str(path.resolve().relative_to(pictures)) for path in links) == sorted(split.ids)
        assert all(Path(*path.relative_to(out).parts[1:]) == path.resolve().relative_to(pictures) for path in links)


def test_a_failed_assertion_has_the_class_without_what_a_terminal_would_obey(split):
    worse = [f"{name}\x1b[31m" for name in split.class_names]
    judged = split.with_metadata(dataset={**split.metadata["dataset"], "class_names": worse})
    test = split.indices("test")
    with pytest.raises(AssertionError, match="worst class: ") as caught:
        splitgen.assert_robust(judged, (split.targets[test] + 1) % len(CLASSES), fail_under=0.5)
    check_lines(str(caught.value))


BAD_IDS = (
    "../people.parquet",
    "../../x.png",
    "/etc/passwd",
    f"{CLASSES[8]}/../../people.parquet",
    "C:\\x.png",
    "x\0.png",
    "..",
    "",
    "new\nline.png",
    "~/x.png",
)


@pytest.mark.parametrize("consumer", ["imagefolder", "timm", "domainbed", "huggingface"])
@pytest.mark.parametrize("key", BAD_IDS)
def test_no_id_leads_an_export_out_of_the_folder(folder, tmp_path, split, consumer, key):
    written = splitgen.Split((key, *split.ids[1:]), *rest(split))
    with pytest.raises(ExportError, match="is no file in"):
        export_split(written, consumer, tmp_path / "in" / "out", images=folder / "pictures")
    assert not (tmp_path / "in" / "out").exists()


def test_two_ids_of_one_file_are_a_line(folder, tmp_path, split):
    doubled = splitgen.Split((split.ids[0], f"./{split.ids[0]}", *split.ids[2:]), *rest(split))
    with pytest.raises(ExportError, match="is the file of two ids"):
        export_split(doubled, "imagefolder", tmp_path / "out", images=folder / "pictures")


def rest(split):
    return split.labels, split.targets, split.parts, split.scores, split.margins, split.metadata


def write_table(path: Path, options: dict, **columns) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False, **options)
    return path


def many(text: str, n_rows: int) -> pa.Array:
    """One text in so many rows, stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n_rows, np.int32)), pa.array([text]))


BOMBS = {
    "one text in many rows": (lambda: many("y" * 100_000, 200_000), {}),
    "texts that differ by their ends": (
        lambda: ["y" * 200_000 + str(row) for row in range(1_500)],
        {"use_dictionary": False, "column_encoding": {"x": "DELTA_BYTE_ARRAY"}},
    ),
    "one row of many numbers": (lambda: pa.array([np.zeros(36_000_000, np.int64)]), {}),
    "a number in many rows": (lambda: np.zeros(36_000_000, np.int64), {}),
    "wide values": (lambda: pa.array([bytes(100_000)] * 3_000, pa.binary(100_000)), {}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_table_that_is_small_in_its_file_alone_is_refused(tmp_path, name):
    make, options = BOMBS[name]
    path = write_table(tmp_path / "bomb.parquet", options, x=make())
    assert path.stat().st_size < 2_000_000
    with pytest.raises(SplitFileError, match="the table is .* that unpack to .*B; if it is meant to be so large"):
        read_split(path)


def test_tables_of_usual_texts_are_read_however_they_are_stored(tmp_path):
    n_rows = 20_000
    ids = [f"{'cat/' * 20}{row:05}.png" for row in range(n_rows)]
    for options in ({}, {"use_dictionary": False, "column_encoding": {"id": "DELTA_BYTE_ARRAY"}}):
        path = write_table(tmp_path / "t.parquet", options, id=ids)
        chunk = pq.read_metadata(path).row_group(0).column(0)
        assert n_rows * chunk.total_uncompressed_size > 2**28  # so that it is measured, and not only judged by its size
        assert read_table(path).frame["id"].tolist() == ids


def refuse_weights(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_weights(str(path))
    return str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of such tensors
def test_weights_that_are_small_in_their_file_alone_or_no_plain_tensors_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    tensors = {
        "repeats": torch.zeros(1).expand(10**13),
        "sparse": torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (10**13,), check_invariants=True),
        "quantised": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
        "nowhere": torch.empty(10**13, device="meta"),
    }
    for name, tensor in tensors.items():
        torch.save({"right": torch.ones(3), name: tensor}, path)
        assert f"its tensor {name} is sparse, quantised or repeats itself" in refuse_weights(path)
    torch.save({"part": torch.arange(12.0).reshape(3, 4).T}, path)
    assert read_weights(str(path)).tensors["part"].shape == (4, 3)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(300 * 2**20))
    assert "'archive/data/0' is" in refuse_weights(path)
    assert "that unpack to 314.6 MB" in refuse_weights(path)


@pytest.fixture
def reached(monkeypatch, tmp_path) -> list[object]:
    """Whatever is looked for on the network; caches of others are empty."""
    asked: list[object] = []

    def refuse(*arguments, **_):
        asked.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    return asked


@pytest.mark.parametrize(
    "name",
    ["resnet50", "torchvision:resnet18", "torchvision:squeezenet1_1", "torchvision:mnasnet0_5", "timm:resnet10t"],
)
def test_no_model_is_fetched(reached, tmp_path, name):
    if name.startswith("timm:"):
        pytest.importorskip("timm")
    build_network(find_model(name), 3, (3, 64, 64), seed=0)
    assert reached == []
    assert not (tmp_path / "torch").exists()


@pytest.mark.parametrize("spec", ["hf:org/none", "hf:none", "torchvision:CIFAR10", "torchvision:CelebA"])
def test_no_dataset_is_fetched_unless_it_is_asked_for(reached, tmp_path, spec):
    if spec.startswith("hf:"):
        pytest.importorskip("datasets")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="--download"):
        open_dataset(DataConfig(spec, root=str(tmp_path / "empty")))
    assert reached == []
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("download", [False, True])
def test_the_hub_is_asked_where_that_is_asked_for_and_left_as_it_was(monkeypatch, download):
    datasets, constants = pytest.importorskip("datasets"), pytest.importorskip("huggingface_hub.constants")
    places, seen = ("datasets.config.HF_HUB_OFFLINE", "huggingface_hub.constants.HF_HUB_OFFLINE"), []

    def tell_offline() -> list[bool]:
        return [datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE]

    def load_dataset(*_):
        seen.append(tell_offline())
        raise OSError("no way")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for place in places:
        monkeypatch.setattr(place, False)
    with pytest.raises(SourceError, match="the way to it" if download else "or --download to fetch it from the hub"):
        open_dataset(DataConfig("hf:org/none", download=download))
    assert seen == [[not download] * 2]
    assert tell_offline() == [False, False]


def test_a_dataset_that_torchvision_would_unpickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LSUN", "LSUNClass"):
        with pytest.raises(SourceError, match="unpickle a file of the working folder"):
            open_dataset(DataConfig(f"torchvision:{name}", root=str(tmp_path)))


def test_a_module_of_the_working_folder_is_not_taken_for_a_library(tmp_path, monkeypatch):
    (tmp_path / "colorsys.py").write_text("raise SystemExit('taken for the library')\n")
    (tmp_path / "own_code.py").write_text("import colorsys\nvalue = colorsys.__file__\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", os.getcwd())])
    for name in ("colorsys", "own_code"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert Path(import_named("own_code:value")).parent == Path(os.__file__).parent
    sys.modules.pop("own_code")


UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}
UNSAFE_MODULES = {"marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml", "runpy"}


def find_unsafe(source: str) -> list[str]:
    """Calls and imports by which a file could run code, by the program's text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in names if name.partition(".")[0] in {*UNSAFE_MODULES, "pickle"}]
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
        last = called.rpartition(".")[2]
        is_loose = called == "torch.load" and given.get("weights_only") != "True"
        is_loose |= given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False"
        if is_loose or last == "read_pickle" or called in ("np.load", "numpy.load"):
            found.append(called)
        if last in UNSAFE_CALLS and (called == last or called.startswith("os.")):
            found.append(called)
    return found


def test_no_file_is_run_by_the_programs_text():
    root = Path(splitgen.__file__).parent
    found = {path.relative_to(root).as_posix(): find_unsafe(path.read_text()) for path in root.rglob("*.py")}
    # to its own worker processes, over their pipes
    assert {path: unsafe for path, unsafe in found.items() if unsafe} == {"data/cache/workers.py": ["pickle"]}
    for text in ("torch.load(p)", "np.load(p)", "import yaml", "f(shell=True)", "eval(x)", "os.system(x)"):
        assert find_unsafe(text) != [], text


def test_the_page_of_promises_is_shipped_and_linked():
    page = Path(splitgen.__file__).parent / "docs" / "SECURITY.md"
    assert page.is_file()
    assert "splitgen/docs/SECURITY.md" in (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
