"""Shards as webdataset writes and reads them, and as they should not be."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import tarfile

import pytest
import webdataset
from encoded_digits import CONTENTS, LABELS, NAMES, PATHS, contents, refuse, texts

from splitgen import DataConfig
from splitgen.data.pixels.decode import DecodeError
from splitgen.data.sources.webdataset import list_webdataset
from splitgen.errors import SourceError

KEYS = [path.removesuffix(".png") for path in PATHS]
WORDS = texts(LABELS)
NUMBERS = ("0", "1", "2", "3")
HEADER = 512
THEIR_FILES = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves shards open


def write_shard(path, members):
    """A tar archive of names and bytes or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            data = content if isinstance(content, bytes) else str(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(labels=LABELS, image="png", label="cls", rows=range(60), keys=KEYS):
    """Members of the 60 scans: an image and a label each."""
    for row in rows:
        yield f"{keys[row]}.{image}", CONTENTS[row]
        yield f"{keys[row]}.{label}", labels[row]


def listed(argument, **settings):
    return list_webdataset(str(argument), DataConfig(**settings))


def refused(argument, **settings):
    return refuse(list_webdataset, argument, **settings)


def as_json(key, values, **more):
    return [json.dumps({**more, key: value}) for value in values]


def between(*members):
    """Other members behind each image."""
    for place, member in enumerate(samples()):
        yield member
        if place % 2 == 0:
            yield from ((name.format(key=KEYS[place // 2]), content) for name, content in members)


GOOD = {
    "numbers": (samples(), {}, NUMBERS),
    "numbers with zeros and newlines": (samples([f"0{c}\n" for c in LABELS]), {}, NUMBERS),
    "text": (samples(WORDS), {}, NAMES),
    "suffixes in capitals": (samples(image="PNG", label="CLS"), {}, NUMBERS),
    "numbers in JSON": (samples(as_json("label", LABELS), label="json"), {}, NUMBERS),
    "text in JSON": (samples(as_json("class", WORDS, width=8, boxes=[[1]]), label="json"), {}, NAMES),
    "a key of JSON": (samples(as_json("kind", WORDS, label="x"), label="json"), {"label_column": "kind"}, NAMES),
    "JSON beside cls": (between(("{key}.json", '{"label": 0}')), {}, NUMBERS),
    "an extension of labels": (between(("{key}.txt", "x")), {"label_column": "cls"}, NUMBERS),
    "an extension of images": (
        between(("{key}.jpg", b"another")),
        {"image_column": "PNG"},
        NUMBERS,
    ),
    "images under two dots": (between(("{key}.mask.png", b"another")), {}, NUMBERS),
    "a name of two dots": (samples(image="seg.png"), {"image_column": "seg.png"}, NUMBERS),
    "one of two extensions": (samples(), {"image_column": "jpg;png"}, NUMBERS),
    "text beside images": (between(("{key}.txt", "a caption"), ("{key}.pyd", b"\0")), {}, NUMBERS),
    "names of webdataset itself": ([("__info__/x.png", b"x"), *samples()], {}, NUMBERS),
    "names without a dot": ([("README", "x"), *samples(), ("Makefile", "x")], {}, NUMBERS),
}


@pytest.mark.parametrize("case", GOOD)
def test_shards_give_images_labels_and_keys(case, tmp_path):
    members, settings, names = GOOD[case]
    found = listed(write_shard(tmp_path / "digits-000.tar", list(members)), **settings)
    assert contents(found) == CONTENTS
    assert (found.labels.tolist(), found.class_names) == (LABELS, names)
    assert found.ids == tuple(KEYS)
    assert (found.source, found.notes, found.own_test) == ("webdataset:digits-000.tar", (), None)
    assert contents(pickle.loads(pickle.dumps(found))) == CONTENTS


BAD = {
    "no label": ([*samples(), ("x.png", b"x")], {}, "x of digits.tar has no label; repair the rows"),
    "no image": ([("x.cls", "1"), *samples()], {}, "x of digits.tar has no image"),
    "an empty label": ([("x.png", b"x"), ("x.cls", " \n"), *samples()], {}, "x of digits.tar has no label"),
    "null in JSON": (
        samples(as_json("label", [None, *LABELS[1:]]), label="json"),
        {},
        "nought/0000 of .* has no label",
    ),
    "a list in JSON": (
        samples(as_json("label", [[1], *LABELS[1:]]), label="json"),
        {},
        r"nought/0000 of .* has \[1\] as",
    ),
    "no JSON": (samples(["{"] * 60, label="json"), {}, "'nought/0000.json' is no JSON; repair it"),
    "JSON of a list": (samples(["[1]"] * 60, label="json"), {}, "'nought/0000.json' is no JSON object"),
    "no text": (samples([b"\xff"] * 60), {}, "'nought/0000.cls' is no text"),
    "a huge label": (samples(["9" * 2_000_000] * 60), {}, "'nought/0000.cls' has 2,000,000 bytes"),
    "a huge number": (samples(["9" * 20, *LABELS[1:]]), {}, "it has the label 99999999999999999999"),
    "a negative number": (samples([-1, *LABELS[1:]]), {}, "labels must be 0 or more, got -1"),
    "a number far beyond": (
        samples([10**12, *LABELS[1:]]),
        {},
        "class '4' has 0 rows, though labels go up to 1000000000000",
    ),
    "two images": (between(("{key}.jpg", b"x")), {}, "key 'nought/0000' has 2 images; give --image-column: png, jpg"),
    "no images at all": (
        samples(image="npy"),
        {},
        "no key has an image; give --image-column, one of the extensions: npy, cls",
    ),
    "no labels at all": (
        samples(as_json("kind", WORDS), label="json"),
        {},
        r"no key has a label; .* one of the extensions \(png, json\) or of the keys of the JSON \(kind\)",
    ),
    "labels under two keys": (
        samples(as_json("label", LABELS, **{"class": "a"}), label="json"),
        {},
        "2 columns may have the labels; give --label-column: class, label",
    ),
    "a key that is not there": (samples(), {"label_column": "kind"}, "no key has a label"),
    "a member twice": ([*samples(), *samples(rows=[59])], {}, "'digits.tar' has 'three/0.*png' twice"),
    "a key in two places": ([*samples(), *samples(rows=[5])], {}, "has the key 'nought/.*' twice, and not in a row"),
    "no members": ([], {}, "no key has an image"),
    "a part of nothing": (samples(), {"part": "test"}, "it has no part 'test'; names of files"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_in_a_shard_is_said_in_a_line(case, tmp_path):
    members, settings, words = BAD[case]
    message = refused(write_shard(tmp_path / "digits.tar", list(members)), **settings)
    assert message.startswith("dataset 'webdataset:digits.tar': ")
    assert re.search(words.replace("'three/", "'t[a-z]*/"), message), message


@THEIR_FILES
def test_keys_bytes_and_labels_are_those_that_webdataset_itself_reads(tmp_path):
    pattern = str(tmp_path / "digits-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=25, verbose=0) as writer:
        for row in range(60):
            writer.write({"__key__": KEYS[row], "png": CONTENTS[row], "cls": LABELS[row]})
    for argument in (
        tmp_path,
        tmp_path / "*.tar",
        tmp_path / "digits-{000..002}.tar",
        tmp_path / "digits-00{0,1,2}.tar",
    ):
        found = listed(argument)
        shards = sorted(map(str, tmp_path.glob("*.tar")))
        theirs = list(webdataset.WebDataset(shards, shardshuffle=False))
        assert list(found.ids) == [sample["__key__"] for sample in theirs] == KEYS
        assert contents(found) == [sample["png"] for sample in theirs]
        assert found.labels.tolist() == [int(sample["cls"]) for sample in theirs]
        assert found.pictures.name(30) == f"{KEYS[30]} of digits-001.tar"


@THEIR_FILES
def test_odd_names_are_grouped_as_webdataset_groups_them_and_nothing_is_written(tmp_path):
    names = ["../../up", "/etc/x", "./here", "a.b/c", "a b", "é", "x" * 150, "n\nn", "[bold]"]
    members = [(f"{name}.{ext}", content) for name in names for ext, content in (("Png", CONTENTS[0]), ("x.y", b"1"))]
    path = write_shard(tmp_path / "in" / "odd.tar", [*members, *samples()])
    before = sorted(tmp_path.rglob("*"))
    theirs = list(webdataset.WebDataset(str(path), shardshuffle=False))
    found = listed(path, label_column="cls", skip_unreadable=True)
    assert list(found.ids) == [sample["__key__"] for sample in theirs if "cls" in sample] == KEYS
    assert found.notes == (f"{len(names)} rows left out (first: ../../up of odd.tar has no label)",)
    assert [sample["__key__"] for sample in theirs][: len(names)] == names
    assert sorted(tmp_path.rglob("*")) == before


def test_a_key_in_several_shards_goes_by_the_shard_too(tmp_path):
    keys = [f"{row % 30:04d}" for row in range(60)]
    for shard in range(2):
        write_shard(tmp_path / f"d-{shard}.tar", samples(rows=range(30 * shard, 30 * shard + 30), keys=keys))
    found = listed(tmp_path)
    assert found.ids == tuple(f"d-{row // 30}/{keys[row]}" for row in range(60))
    assert found.notes == ("keys stand in several shards: ids are SHARD/KEY",)
    assert contents(found) == CONTENTS


def test_parts_go_by_the_names_of_shards(tmp_path):
    for name, rows in (("digits-train-000", range(0, 60, 2)), ("digits-val-000", range(1, 60, 2))):
        write_shard(tmp_path / f"{name}.tar", samples(rows=rows))
    found = listed(tmp_path)
    assert (found.ids, found.own_test.ids) == (tuple(KEYS[::2]), tuple(KEYS[1::2]))
    assert found.notes == ("part 'validation' is the own test set (digits-val-000.tar)",)
    assert listed(tmp_path, part="val").ids == tuple(KEYS[1::2])
    assert listed(tmp_path / "digits-train-{000..000}.tar").own_test.ids == tuple(KEYS[1::2])


def test_shards_of_a_test_part_without_labels_are_not_used_and_that_is_told(tmp_path):
    write_shard(tmp_path / "train-0.tar", samples())
    write_shard(tmp_path / "test-0.tar", ((f"{key}.png", content) for key, content in zip(KEYS, CONTENTS, strict=True)))
    found = listed(tmp_path)
    assert (found.labels.tolist(), found.own_test) == (LABELS, None)
    assert found.notes[-1] == "its own test set has no labels and is not used"


def test_keys_with_neither_image_nor_label_are_counted(tmp_path):
    path = write_shard(tmp_path / "d.tar", [("README.md", "x"), *samples(), ("a.txt", "x"), ("b.txt", "x")])
    found = listed(path)
    assert found.ids == tuple(KEYS)
    assert found.notes == ("3 keys with neither image nor label left out",)


def test_archives_that_are_packed_damaged_or_cut_are_refused(tmp_path):
    path = write_shard(tmp_path / "d.tar", samples())
    whole = path.read_bytes()
    (tmp_path / "gz" / "d.tar.gz").parent.mkdir()
    (tmp_path / "gz" / "d.tar.gz").write_bytes(gzip.compress(whole))
    assert "'d.tar.gz' is packed by gzip" in refused(tmp_path / "gz" / "d.tar.gz")
    assert "'d.tar.gz' is packed; unpack it to a plain .tar first" in refused(tmp_path / "gz")
    damaged = bytearray(whole)
    with tarfile.open(path) as archive:
        at = archive.getmember("one/0001.cls").offset
    damaged[at : at + HEADER] = b"x" * HEADER
    for content, words in (
        (bytes(damaged), "'d.tar' is damaged behind 'one/0001.png', or is several archives in one"),
        (whole + whole, "'d.tar' is damaged behind"),
        (whole[: at - 100], "'d.tar' cannot be read as a tar archive (unexpected end of data)"),
        (b"", "'d.tar' cannot be read as a tar archive (empty file)"),
        (b"no archive" * 100, "'d.tar' cannot be read as a tar archive"),
        (gzip.compress(whole), "'d.tar' is packed by gzip, so that no image can be read by itself; unpack it"),
    ):
        path.write_bytes(content)
        assert words in refused(path)


def test_a_shard_that_is_cut_or_gone_later_on_is_an_image_that_cannot_be_read(tmp_path):
    path = write_shard(tmp_path / "d.tar", samples())
    found = listed(path)
    stamp = found.pictures.stamp()
    path.write_bytes(path.read_bytes()[:1000])
    assert found.pictures.stamp() != stamp
    with pytest.raises(DecodeError, match="is cut short"):
        found.pictures.read(59)
    path.unlink()
    with pytest.raises(DecodeError, match="cannot be read"):
        found.pictures.read(0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.tar", "there is no file '.*nothing.tar'; give a file, a folder or a glob"),
        ("*.tar.*", "there is no file '.*"),
        ("d-{000..001}.tar", "there is no file '.*d-001.tar'"),
        ("{0..99999999}.tar", "its braces stand for 100,000,000 files; give at most 100,000"),
        ("{0..999}{0..999}.tar", "its braces stand for 1,000,000 files"),
        ("empty", "no .tar files are there; give a file, a folder or a glob of .tar files"),
    ],
)
def test_shards_that_are_not_there_are_named(name, words, tmp_path):
    write_shard(tmp_path / "d-000.tar", samples())
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path / name)
    assert re.search(words, message), message


@pytest.mark.parametrize("names", [("1", "2", "3", "unknown"), ("01", "02", "03", "x")])
def test_whole_numbers_of_the_test_shards_are_names_where_the_train_shards_have_others(names, tmp_path):
    """The test part holds the first three classes: 0..2 in their order, and no other numbers."""
    write_shard(tmp_path / "data-train.tar", samples([names[c] for c in LABELS]))
    rows = [row for row in range(60) if LABELS[row] < 3]
    write_shard(tmp_path / "data-test.tar", samples([names[c] for c in LABELS], rows=rows))
    found = listed(tmp_path)
    assert found.class_names == names
    assert found.own_test is not None
    assert found.own_test.labels.tolist() == [LABELS[row] for row in rows]


def test_keys_that_are_no_unicode_are_told_before_the_work(tmp_path):
    keys = ["\udce9" if place == 4 else key for place, key in enumerate(KEYS)]
    write_shard(tmp_path / "a.tar", samples(keys=keys))
    with pytest.raises(SourceError, match="ids are not UTF-8"):
        listed(tmp_path / "a.tar")
