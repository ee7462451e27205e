"""Classes by name and by number: what a user's text stands for, and how classes are told; starts without torch."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from splitgen.errors import SettingError

MOST = 20  # names in a line
NUMBER = re.compile("0|[1-9][0-9]{0,17}")
BY_NAME, BY_NUMBER = "name:", "number:"  # in front of what could be either


def find_classes(text: str, names: Sequence[str]) -> list[int]:
    """The classes of a list such as "0,1" or "cat,dog", ascending.

    A class goes by its number, or by its name as it is, or in other capitals where only one class is called so; names
    may hold commas. Raises `SettingError` for what is no class, or may be two.
    """
    pieces, found, at = text.split(","), set(), 0
    longest = 1 + max(name.count(",") for name in names)
    while at < len(pieces):
        number, at = take_class(pieces, at, longest, names)
        found.add(number)
    return sorted(found)


def take_class(pieces: Sequence[str], at: int, longest: int, names: Sequence[str]) -> tuple[int, int]:
    """The class that the next pieces between commas stand for, the most of them that do, and where it ends."""
    for end in range(min(len(pieces), at + longest), at, -1):
        text = ",".join(pieces[at:end]).strip()
        number = match_class(text, names)
        if number is not None:
            is_list = all(match_class(piece.strip(), names) is not None for piece in pieces[at:end])
            if end > at + 1 and is_list and not text.startswith(BY_NAME):
                apart = ",".join(BY_NAME + piece.strip() for piece in pieces[at:end])
                raise SettingError(
                    f"target '{text}' is one class, and also a list of classes; give {BY_NAME}{text} or {apart}"
                )
            return number, end
    raise tell_unknown(pieces[at].strip(), names)


def match_class(text: str, names: Sequence[str]) -> int | None:
    """The class that a text stands for; None for none. Raises `SettingError` where it may stand for two."""
    named = match_name(text, names)
    if named is None and text.startswith(BY_NAME):
        return match_name(text.removeprefix(BY_NAME).strip(), names)
    if named is None and text.startswith(BY_NUMBER):
        return match_number(text.removeprefix(BY_NUMBER).strip(), names)
    number = match_number(text, names)
    if named is not None and number is not None and named != number:
        raise SettingError(
            f"target '{text}' is ambiguous: class {number} is '{names[number]}', and class {named} is named "
            f"'{names[named]}'; give {BY_NUMBER}{text} or {BY_NAME}{text}"
        )
    return number if named is None else named


def match_number(text: str, names: Sequence[str]) -> int | None:
    return int(text) if NUMBER.fullmatch(text) and int(text) < len(names) else None


def match_name(text: str, names: Sequence[str]) -> int | None:
    """The class of a name as it is, else of one that differs in capitals alone."""
    wanted = unicodedata.normalize("NFC", text)
    known = [unicodedata.normalize("NFC", name) for name in names]
    same = [c for c, name in enumerate(known) if name == wanted]
    like = same or [c for c, name in enumerate(known) if name.casefold() == wanted.casefold()]
    if len(like) > 1:
        told = ", ".join(f"{c} ('{names[c]}')" for c in like)
        raise SettingError(f"target '{text}' may be any of the classes {told}; give it as {BY_NUMBER}{like[0]}")
    return like[0] if like else None


def tell_unknown(text: str, names: Sequence[str]) -> SettingError:
    """The error of a text that is no class."""
    if not text:
        return SettingError(f"target has an empty entry; give 'label', or classes such as '{names[0]},{names[1]}'")
    if are_numbers(names):
        return SettingError(f"target names class {text}, the dataset has the classes 0..{len(names) - 1}")
    near = difflib.get_close_matches(text, names, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return SettingError(f"target names class '{text}', the dataset has the classes {list_names(names)}{hint}")


def are_numbers(names: Sequence[str]) -> bool:
    """Whether each class is named by its own number."""
    return all(name == str(c) for c, name in enumerate(names))


def tell_numbering(names: Sequence[str]) -> Iterator[str]:
    """A line on what class numbers stand for, where the names are other numbers: folders "1", "2", "10"."""
    if all(name.isascii() and name.isdecimal() for name in names) and any(
        int(name) != c for c, name in enumerate(names)
    ):
        shown = [f"{c} is '{name}'" for c, name in enumerate(names[:MOST])]
        rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        yield f"class numbers are not the names of the classes: {', '.join(shown)}{rest}"


def list_names(names: Sequence[str]) -> str:
    """Class names in a row, of many the first and how many more: "0,2,4", or "cat, dog"."""
    separator = "," if all(NUMBER.fullmatch(name) for name in names) else ", "
    shown = separator.join(f"'{name}'" if "," in name or "|" in name else name for name in names[:MOST])
    return shown if len(names) <= MOST else f"{shown} and {len(names) - MOST} more"


def list_target(spec: str, names: Sequence[str]) -> list[str]:
    """What a recorded target lists, by name: "0,1" is of the classes 0 and 1; as it is where it is no such list."""
    numbers = spec.split(",")
    if all(match_number(number, names) is not None for number in numbers):
        return [names[int(number)] for number in numbers]
    return [spec]


def write_target(spec: str, names: Sequence[str]) -> str:
    """A recorded target as a user may give it again: by name, or by number where the names are not clear."""
    text = ",".join(list_target(spec, names))
    try:
        is_clear = text != "label" and find_classes(text, names) == list(map(int, spec.split(",")))
    except (SettingError, ValueError):
        is_clear = False
    return text if is_clear or text == spec else ",".join(BY_NUMBER + number for number in spec.split(","))
