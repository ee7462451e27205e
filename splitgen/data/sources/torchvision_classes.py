"""What torchvision's dataset classes take: parts, choices, targets, all read from the classes themselves.

A part (train, test, ...) is given by `--part`; any other keyword behind the name, as in `torchvision:EMNIST@letters`
or `torchvision:Places365@small=true`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

# Modules of torchvision's whose datasets are no pairs of an image and its class.
OTHER_PURPOSES = {
    "coco": "detection and captions",
    "voc": "segmentation and detection",
    "widerface": "detection",
    "kitti": "detection",
    "cityscapes": "segmentation",
    "sbd": "segmentation",
    "flickr": "captions",
    "sbu": "captions",
    "kinetics": "video",
    "hmdb51": "video",
    "ucf101": "video",
    "moving_mnist": "video",
    "phototour": "pairs of images",
    "_optical_flow": "pairs of images",
    "_stereo_matching": "pairs of images",
}
UNPICKLED = ("LSUN", "LSUNClass")  # from files that nobody checks; those of CIFAR are checked by their digests
PART_KEYWORDS = ("what", "split", "version", "train")  # the first that a class takes tells its parts
TARGET_KEYWORDS = ("target_type", "target_types")
OWN_KEYWORDS = {"root", "download", "loader", "transform", "target_transform", "transforms", *TARGET_KEYWORDS}
NO_VALUE = "?"  # of a keyword, so that the class says which ones it has
VALID = re.compile(r"valid values are \{(.*)\}", re.IGNORECASE)
WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Kind:
    """A dataset class of torchvision as a spec names it.

    source: the spec. name: of the class. choices: keywords that the spec gives beside the part.
    """

    source: str
    name: str
    class_: Any
    choices: Mapping[str, Any]

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        return list_parameters(self.class_)

    @cached_property
    def part_keyword(self) -> str | None:
        """The keyword that tells the part; one that has no default is no part but a choice (EMNIST's `split`)."""
        return next((each for each in PART_KEYWORDS if each in self.parameters and not self.is_required(each)), None)

    @property
    def target_keyword(self) -> str | None:
        """The keyword that tells the kind of target, where there are several."""
        return next((each for each in TARGET_KEYWORDS if each in self.parameters), None)

    def is_required(self, keyword: str) -> bool:
        parameter = self.parameters[keyword]
        return parameter.default is parameter.empty and keyword != "root"

    def list_parts(self, config: DataConfig) -> dict[str, Any]:
        """The values of the part's keyword by the names of the parts; empty where the class has none, or does not tell
        as long as its data are not there."""
        if self.part_keyword is None:
            return {}
        if self.part_keyword == "train":
            return {"train": True, "test": False}
        return {name: name for name in self.ask_values(self.part_keyword, config)}

    def ask_values(self, keyword: str, config: DataConfig) -> tuple[str, ...]:
        """The values that the class allows for a keyword, by its own error; empty where it gives none."""
        given = {**self.choices, **self.list_common(config), "download": False, keyword: NO_VALUE}
        try:
            self.class_(**{name: value for name, value in given.items() if name in self.parameters})
        except Exception as error:  # of any kind, where the data are not there
            found = VALID.search(" ".join(str(error).split()))
            return tuple(re.findall(r"'([^']*)'", found[1])) if found else ()
        return ()

    def list_common(self, config: DataConfig) -> dict[str, Any]:
        """Keywords of all classes, as far as this one takes them."""
        given = {"root": config.root, "download": config.download, "loader": keep_path}
        return {name: value for name, value in given.items() if name in self.parameters}


def keep_path(path: Any) -> Any:
    """The loader of a class that takes one: its items are then paths and labels, and no image is read for them."""
    return path


def list_parameters(class_: type[Any]) -> dict[str, inspect.Parameter]:
    """The keywords of a class, those of its base class among them where it passes on what it does not know."""
    found: dict[str, inspect.Parameter] = {}
    for each in class_.__mro__:
        if "__init__" not in vars(each):
            continue
        parameters = list(inspect.signature(each).parameters.values())
        named = {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        found = {**named, **found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def find_kind(argument: str, config: DataConfig) -> Kind:
    """The class of `NAME` or `NAME@CHOICES`. Raises `SourceError` for one that is not there, is for another purpose, or
    lacks a choice that it needs."""
    from torchvision import datasets

    name, _, text = argument.partition("@")
    source = f"torchvision:{argument}"
    class_ = getattr(datasets, name, None) if name in datasets.__all__ else None
    if not inspect.isclass(class_):
        raise SourceError(source, "torchvision has no such dataset", "give a class name such as torchvision:CIFAR10")
    purpose = OTHER_PURPOSES.get(class_.__module__.rpartition(".")[2])
    if purpose is not None or name == "LFWPairs":
        problem = f"it is for {purpose or 'pairs of images'}, and gives no pairs of image and class"
        raise SourceError(source, problem, "use a classification dataset")
    if name in UNPICKLED:
        problem = "torchvision would unpickle a file of the working folder for it, and so run whatever code is in that"
        raise SourceError(source, problem, "write its images to files, and open them with folder:PATH")
    if name in ("VisionDataset", "DatasetFolder"):
        raise SourceError(source, "it is no dataset by itself", "open a folder of images with folder:PATH")
    bare = Kind(source, name, class_, {})
    kind = Kind(source, name, class_, read_choices(bare, text, config))
    for keyword in kind.parameters:
        if kind.is_required(keyword) and keyword not in kind.choices and keyword != "root":
            raise tell_choice(bare, keyword, config, f"it needs its {keyword}")
    return kind


def read_choices(kind: Kind, text: str, config: DataConfig) -> dict[str, Any]:
    """Keywords of `letters` or `small=true,size=160px`; a value alone is of the keyword that the class requires."""
    choices: dict[str, Any] = {}
    required = [each for each in kind.parameters if kind.is_required(each)]
    free = [each for each in kind.parameters if each not in OWN_KEYWORDS and each != kind.part_keyword]
    for part in filter(None, text.split(",")):
        keyword, equals, value = part.partition("=")
        if not equals and len(required) == 1:
            keyword, value = required[0], part
        elif not equals or keyword not in free:
            raise refuse_choice(kind, part, free)
        choices[keyword] = read_value(kind, keyword, value)
        allowed = kind.ask_values(keyword, config) if isinstance(choices[keyword], str) else ()
        if allowed and choices[keyword] not in allowed:
            raise tell_choice(kind, keyword, config, f"its {keyword} cannot be '{value}'")
    return choices


def refuse_choice(kind: Kind, part: str, free: list[str]) -> SourceError:
    """The error of a choice that the class does not take."""
    keyword, _, value = part.rpartition("=")
    if kind.part_keyword is not None and keyword in ("", kind.part_keyword):
        return SourceError(kind.source, f"'@{part}' is not the way to its parts", f"give --part {value}")
    remedy = f"give @KEYWORD=VALUE of {', '.join(free)}" if free else "leave it out"
    return SourceError(kind.source, f"it takes no choice '{part}'", remedy)


def tell_choice(kind: Kind, keyword: str, config: DataConfig, problem: str) -> SourceError:
    """An error with the values that the class allows for a keyword."""
    allowed = kind.ask_values(keyword, config)
    spec = f"torchvision:{kind.name}@{'' if kind.is_required(keyword) else f'{keyword}='}"
    remedy = f"give {spec}VALUE"
    if allowed:
        remedy = f"give {spec}{allowed[0]}, or one of {', '.join(allowed[1:])}"
    return SourceError(kind.source, problem, remedy)


def read_value(kind: Kind, keyword: str, text: str) -> Any:
    """A keyword's value in the type of its default: true, false, a whole number or text."""
    default = kind.parameters[keyword].default
    if isinstance(default, bool):
        if text.lower() not in WORDS:
            raise SourceError(kind.source, f"its {keyword} cannot be '{text}'", "give true or false")
        return WORDS[text.lower()]
    if isinstance(default, int) or (default is None and re.fullmatch(r"-?\d+", text)):
        try:
            return int(text)
        except ValueError as error:
            raise SourceError(kind.source, f"its {keyword} cannot be '{text}'", "give a whole number") from error
    return text
