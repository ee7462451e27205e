"""Parts of a dataset (train, validation, test) by the names of its files, as people and the hub name them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from splitgen.errors import SourceError

ALIASES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
KEYWORD = re.compile(rf"(?<![a-z])({'|'.join(sorted(ALIASES, key=len, reverse=True))})(?![a-z])")
SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
BRACES = re.compile(r"\{([^{}]*)\}")
MAX_FILES = 100_000


@dataclass(frozen=True)
class FilePart:
    """The files of one part of a dataset, sorted. name: "" where the names tell no part."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class FoundParts:
    """The part to open, the own test set where there is one, and what to tell of them."""

    part: FilePart
    own_test: FilePart | None
    notes: tuple[str, ...]


def name_part(text: str) -> str:
    """The usual name of a part: val, valid and dev are validation; what is no usual name stays as it is."""
    return ALIASES.get(text.strip().lower(), text.strip())


def choose_part(source: str, wanted: str | None, there: Iterable[str]) -> str:
    """The part to open: the one that is asked for, else train, else the only one. Raises `SourceError`."""
    names = sorted(set(there))
    shown = ", ".join(names) or "none"
    if wanted is not None:
        if name_part(wanted) in names:
            return name_part(wanted)
        if wanted in names:
            return wanted
        raise SourceError(source, f"it has no part '{wanted}'", f"its parts are: {shown}")
    if "train" in names:
        return "train"
    if len(names) == 1:
        return names[0]
    raise SourceError(source, "it has no part 'train'", f"give --part, one of: {shown}")


def refuse_part(source: str, wanted: str | None) -> None:
    """Raise `SourceError` where a part is asked for of what has none."""
    if wanted is not None:
        remedy = "names of files, or a column 'split' or 'part', tell parts: train, validation, test"
        raise SourceError(source, f"it has no part '{wanted}'", remedy)


def choose_own_test(part: str, there: Iterable[str]) -> str | None:
    """The part that is the own test set beside an opened one: test, else validation."""
    names = set(there)
    if part == "test":
        return None
    return next((name for name in ("test", "validation") if name in names and name != part), None)


def find_parts(source: str, argument: str, suffix: str, wanted: str | None) -> FoundParts:
    """Files of a path, a folder, a glob or a brace pattern, by part.

    suffix: of the files of a folder, such as ".parquet". wanted: the part that is asked for.
    Where the names tell no parts, all files are the part "". Raises `SourceError` for nothing there, files of several
    datasets, or a part that is not there.
    """
    folder = Path(argument)
    files = list_folder(source, folder, suffix) if folder.is_dir() else expand_files(source, argument)
    if not files:
        raise SourceError(source, f"no {suffix} files are there", f"give a file, a folder or a glob of {suffix} files")
    parts, nameless = group_parts(files)
    notes: list[str] = []
    if not parts:
        part, own = FilePart("", tuple(files)), None
    else:
        chosen = choose_part(source, wanted, parts)
        part = FilePart(chosen, parts[chosen])
        if folder.is_dir():
            check_one_series(source, part)
        own = find_own_test(part, {**find_siblings(part.files, suffix), **parts})
        notes = tell_left(nameless, set(parts) - {chosen, own.name if own else chosen})
    if part.name not in ("", "train"):
        notes.insert(0, f"part '{part.name}' is opened")
    if own is not None:
        notes.append(f"part '{own.name}' is the own test set ({tell_files(own.files)})")
    for each in (part, own):
        notes += tell_missing(each.files) if each is not None else []
    return FoundParts(part, own, tuple(notes))


def list_folder(source: str, folder: Path, suffix: str) -> list[Path]:
    """Files of a folder, sorted; where there are none, those below it, unless they are several datasets."""
    direct = sorted(path for path in folder.iterdir() if is_listed(path, suffix))
    if direct:
        return direct
    below = sorted(path for path in folder.rglob(f"*{suffix}") if is_listed(path, suffix))
    below = [path for path in below if not any(name.startswith(".") for name in path.relative_to(folder).parts)]
    homes = sorted({find_home(path).relative_to(folder).as_posix() for path in below})
    if len(homes) > 1:
        shown = ", ".join(homes[:5]) + (", ..." if len(homes) > 5 else "")
        raise SourceError(source, f"its {suffix} files lie in {len(homes)} folders", f"give one of them: {shown}")
    return below


def is_listed(path: Path, suffix: str) -> bool:
    return path.suffix.lower() == suffix and not path.name.startswith((".", "_")) and path.is_file()


def find_home(path: Path) -> Path:
    """The folder of a dataset that a file belongs to: its own, or the one above a folder named for a part."""
    return path.parent.parent if path.parent.name.lower() in ALIASES else path.parent


def expand_files(source: str, argument: str) -> list[Path]:
    """Files of a path, a glob or a brace pattern, sorted. A file of that very name goes first."""
    if Path(argument).is_file():
        return [Path(argument)]
    paths: list[Path] = []
    for pattern in expand_braces(source, argument):
        found = [Path(name) for name in glob.glob(pattern, recursive=True)] if glob.has_magic(pattern) else []
        files = [Path(pattern)] if Path(pattern).is_file() else [path for path in found if path.is_file()]
        if not files:
            raise SourceError(source, f"there is no file '{pattern}'", "give a file, a folder or a glob of files")
        paths += files
    return sorted(set(paths))


def expand_braces(source: str, pattern: str) -> list[str]:
    """`{000..009}` counts, `{a,b}` lists; several multiply. Raises `SourceError` for far too many."""
    pieces = BRACES.split(pattern)
    choices = [[piece] if place % 2 == 0 else expand_choice(source, piece) for place, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MAX_FILES:
        raise SourceError(source, f"its braces stand for {count:,} files", f"give at most {MAX_FILES:,}")
    return ["".join(words) for words in product(*choices)]


def expand_choice(source: str, inside: str) -> list[str]:
    """What stands for one pair of braces, given what is between them."""
    counted = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if counted is None:
        return inside.split(",") if "," in inside else [f"{{{inside}}}"]
    first, last = int(counted[1]), int(counted[2])
    if abs(last - first) >= MAX_FILES:
        raise SourceError(
            source, f"its braces stand for {abs(last - first) + 1:,} files", f"give at most {MAX_FILES:,}"
        )
    width = len(counted[1]) if counted[1].startswith("0") or counted[2].startswith("0") else 0
    step = 1 if last >= first else -1
    return [str(number).zfill(width) for number in range(first, last + step, step)]


def group_parts(files: Sequence[Path]) -> tuple[dict[str, tuple[Path, ...]], list[Path]]:
    """Files by part, and those whose names tell none."""
    parts: dict[str, list[Path]] = {}
    nameless = []
    for path in files:
        name = tell_part(path)[0]
        if name:
            parts.setdefault(name, []).append(path)
        else:
            nameless.append(path)
    return {name: tuple(paths) for name, paths in parts.items()}, nameless


def tell_part(path: Path) -> tuple[str, str]:
    """The part that a file's name tells ("" for none), and the rest of the name, which the dataset's parts share.

    By the hub's rule `train_small-00000-of-00001` is of `train_small`; elsewhere a usual name counts where it stands
    alone (`cifar_train_3`), or as the name of the folder.
    """
    folder, sharded = path.parent.name.lower(), SHARD.fullmatch(path.stem)
    name = path.stem if sharded is None else sharded["name"]
    found = KEYWORD.search(name.lower())
    if sharded is not None and re.fullmatch(r"\w+", name) and (found is None or found.end() < len(name)):
        return name, "*"
    if found is not None:
        rest = f"{name[: found.start()]}*{name[found.end() :]}".lower()
        return name_part(found[0]), re.sub(r"([-_.]?\d+)+$", "", rest)
    return (name_part(folder), "*") if folder in ALIASES else ("", "")


def find_siblings(files: Sequence[Path], suffix: str) -> dict[str, tuple[Path, ...]]:
    """Files beside those of a part, by part; beside the folder where that is named for the part."""
    homes = sorted({find_home(path) for path in files if tell_part(path)[0]})
    places = [place for home in homes for place in (home, *sorted(home.iterdir())) if place.is_dir()]
    near = [place for place in places if place in homes or place.name.lower() in ALIASES]
    return group_parts(sorted(path for place in near for path in place.iterdir() if is_listed(path, suffix)))[0]


def find_own_test(part: FilePart, parts: Mapping[str, tuple[Path, ...]]) -> FilePart | None:
    """The own test set among parts: files that are named as those of the opened part but for the part."""
    shared = {tell_part(path)[1] for path in part.files}
    fitting = {name: tuple(path for path in paths if tell_part(path)[1] in shared) for name, paths in parts.items()}
    chosen = choose_own_test(part.name, [name for name, paths in fitting.items() if paths])
    return None if chosen is None else FilePart(chosen, fitting[chosen])


def check_one_series(source: str, part: FilePart) -> None:
    """Raise `SourceError` where files of a part are named as those of several datasets."""
    rests = {tell_part(path)[1]: path.name for path in part.files}
    if len(rests) > 1:
        problem = f"its files of part '{part.name}' have different names: {', '.join(sorted(rests.values())[:3])}"
        raise SourceError(source, problem, "give one of them, or a glob of those that belong together")


def tell_left(nameless: Sequence[Path], left: set[str]) -> list[str]:
    """What of a place is not used."""
    notes = []
    if nameless:
        notes.append(f"left out, as the names tell no part: {tell_files(nameless)}")
    if left:
        notes.append(f"parts that are there and not used: {', '.join(sorted(left))}")
    return notes


def tell_missing(files: Sequence[Path]) -> list[str]:
    """A line for each series of files `NAME-00000-of-00002` that is not complete."""
    series: dict[tuple[str, str], set[str]] = {}
    for path in files:
        sharded = SHARD.fullmatch(path.stem)
        if sharded is not None:
            series.setdefault((sharded["name"], sharded["count"]), set()).add(sharded["number"])
    return [
        f"{len(numbers)} of {int(count)} files '{name}-*-of-{count}' are there: the rows of the others are missing"
        for (name, count), numbers in series.items()
        if len(numbers) < int(count)
    ]


def tell_files(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{len(files)} files, first {files[0].name}"
