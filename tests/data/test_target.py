"""Targets by number and by name, and what may be either."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from splitgen.data.class_names import list_names, list_target, tell_numbering, write_target
from splitgen.data.target import make_target, tell_target
from splitgen.errors import SettingError
from splitgen.settings.layers import build_config

DIGITS = tuple(map(str, range(10)))
PETS = ("cat", "Dog", "red fox", "goldfish, Carassius auratus", "CAT-fish")
FOLDERS = ("0", "10", "7")  # numeric names in the order of their letters
FROM_ONE = tuple(sorted(str(c) for c in range(1, 13)))  # 1, 10, 11, 12, 2, ...


@pytest.fixture
def named(digits):
    """A dataset with classes of these names, two rows each."""

    def name(names):
        labels = np.arange(2 * len(names)) % len(names)
        return dataclasses.replace(digits, labels=labels, class_names=tuple(names))

    return name


@pytest.mark.parametrize(
    ("names", "text", "spec"),
    [
        (DIGITS, "0,1,2", "0,1,2"),
        (DIGITS, " 7 , 3,3", "3,7"),
        (PETS, "cat,Dog", "0,1"),
        (PETS, "Dog, cat", "0,1"),
        (PETS, "0,1", "0,1"),
        (PETS, "dog", "1"),
        (PETS, "CAT", "0"),
        (PETS, "RED FOX", "2"),
        (PETS, "red fox,3", "2,3"),
        (PETS, "goldfish, Carassius auratus", "3"),
        (PETS, "cat,goldfish, Carassius auratus,Dog", "0,1,3"),
        (PETS, "name:cat,number:1", "0,1"),
        (FOLDERS, "0", "0"),
        (FOLDERS, "7", "2"),
        (FOLDERS, "10,0", "0,1"),
        (FOLDERS, "1", "1"),
        (FROM_ONE, "name:1,name:12", "0,3"),
        (FROM_ONE, "number:1", "1"),
        (FROM_ONE, "12", "3"),
        (("001", "002", "003"), "001", "0"),
        (("001", "002", "003"), "1", "1"),
        (("a", "b", "a,b"), "name:a,b", "2"),
        (("a", "b", "a,b"), "name:a,name:b", "0,1"),
        (("label", "other"), "name:label", "0"),
        (("Cat", "cat", "dog"), "cat", "1"),
        (("caf\u00e9", "bar"), "cafe\u0301", "0"),
        (("name:x", "y"), "name:x", "0"),
        (("[red]x[/red]", "y"), "[red]x[/red]", "0"),
    ],
)
def test_classes_go_by_number_and_by_name(named, names, text, spec):
    dataset = named(names)
    target = make_target(dataset, text)
    assert target.spec == spec
    assert target.positive_classes == tuple(map(int, spec.split(",")))
    assert target.values.tolist() == [int(str(label) in spec.split(",")) for label in dataset.labels]


@pytest.mark.parametrize(
    ("names", "text", "message"),
    [
        (DIGITS, "0,77", "target names class 77, the dataset has the classes 0..9"),
        (DIGITS, "-1", "target names class -1, the dataset has the classes 0..9"),
        (DIGITS, "9" * 5000, "target names class 99"),
        (DIGITS, "0,,1", "target has an empty entry; give 'label', or classes such as '0,1'"),
        (DIGITS, ",".join(DIGITS), "target lists all 10 classes; leave at least one out"),
        (PETS, "Dgo", "target names class 'Dgo', the dataset has the classes cat, Dog, red fox, 'goldfish, Carassius"),
        (PETS, "re fox", "; did you mean 'red fox'?"),
        (PETS, "5", "target names class '5', the dataset has the classes cat, Dog"),
        (PETS, "number:5", "target names class 'number:5', the dataset has"),
        (PETS, "name:0", "target names class 'name:0', the dataset has"),
        (
            FROM_ONE,
            "1",
            "target '1' is ambiguous: class 1 is '10', and class 0 is named '1'; give number:1 or name:1",
        ),
        (
            ("a", "b", "a,b"),
            "a,b",
            "target 'a,b' is one class, and also a list of classes; give name:a,b or name:a,name:b",
        ),
        (
            ("Cat", "cat", "dog"),
            "CAT",
            "target 'CAT' may be any of the classes 0 ('Cat'), 1 ('cat'); give it as number:0",
        ),
        (
            ("cat", "cat", "dog"),
            "cat",
            "target 'cat' may be any of the classes 0 ('cat'), 1 ('cat'); give it as number:0",
        ),
    ],
)
def test_what_is_no_class_or_may_be_two_is_refused_in_a_line(named, names, text, message):
    with pytest.raises(SettingError) as caught:
        make_target(named(names), text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_a_target_of_nothing_is_found_with_the_settings(text):
    with pytest.raises(SettingError, match="target must be 'label', or classes by number or name"):
        build_config({"selection": {"target": text}})


def test_the_label_is_the_target_even_where_a_class_is_called_so(named):
    assert make_target(named(("label", "other")), "label").positive_classes is None


def test_the_mapping_is_told_where_classes_have_names(named):
    for names, text, line in [
        (PETS, "fox, red", None),
        (PETS, "2,0", "target: side 1 is 'cat' (class 0), 'red fox' (class 2); side 0 the other 3 of 5 classes"),
        (FOLDERS, "7", "target: side 1 is '7' (class 2); side 0 the other 2 of 3 classes"),
    ]:
        if line is not None:
            assert list(tell_target(make_target(named(names), text), names)) == [line]
    assert list(tell_target(make_target(named(DIGITS), "0,1"), DIGITS)) == []
    assert list(tell_target(make_target(named(PETS)), PETS)) == []


def test_numeric_names_that_are_no_class_numbers_are_echoed():
    told = list(tell_numbering(FOLDERS))
    assert told == ["class numbers are not the names of the classes: 0 is '0', 1 is '10', 2 is '7'"]
    many = list(tell_numbering([str(c + 1) for c in range(30)]))
    assert many[0].endswith("19 is '20' and 10 more")
    assert list(tell_numbering(DIGITS)) == list(tell_numbering(PETS)) == list(tell_numbering(("00", "01"))) == []


def test_class_names_in_a_row():
    assert list_names(("0", "2", "4")) == "0,2,4"
    assert list_names(PETS[:4]) == "cat, Dog, red fox, 'goldfish, Carassius auratus'"
    assert list_names(tuple(map(str, range(25)))) == f"{','.join(map(str, range(20)))} and 5 more"
    assert list_names(()) == ""


@pytest.mark.parametrize(
    "names", [DIGITS, PETS, FOLDERS, FROM_ONE, ("a", "b", "a,b"), ("cat", "cat", "x"), ("label", "x")]
)
@pytest.mark.parametrize("spec", ["0", "1", "0,1"])
def test_a_recorded_target_is_written_so_that_it_is_found_again(named, names, spec):
    if len(spec.split(",")) < len(names):
        text = write_target(spec, names)
        assert make_target(named(names), text).spec == spec
        assert list_target(spec, names) == [names[int(c)] for c in spec.split(",")]


def test_a_recorded_target_is_written_by_name_where_that_is_clear():
    assert write_target("0,2", PETS) == "cat,red fox"
    assert write_target("0,1", DIGITS) == "0,1"
    assert write_target("0", FROM_ONE) == "number:0"
    assert write_target("label", PETS) == "label"
    assert write_target("cat,Dog", PETS) == "cat,Dog"  # of a file that recorded the names
