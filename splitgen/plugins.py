"""Code that is not splitgen's own: names of the user's, and entry points of packages that are installed."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

DATASETS, MODELS = "splitgen.datasets", "splitgen.models"  # groups of entry points


class PluginError(ValueError):
    """Code that cannot be used. problem, remedy: for the error that says what it was to be."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


def import_named(name: str) -> Any:
    """What `package.module:attribute` names; the working folder counts as the last place of modules.

    The module is executed: only ever call this for a name that the user gave. Raises `PluginError`.
    """
    module_name, _, attribute = name.partition(":")
    see_working_folder()
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot be imported ({tell_raised(error)})", "give package.module:callable") from error
    return found


def see_working_folder() -> None:
    """Let modules of the working folder be found, also by a console script; last, as the working folder may be
    anybody's, and a `torch.py` there must not be taken for the library."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def list_plugins(group: str) -> tuple[str, ...]:
    """Names of a group's entry points, sorted; none of them is loaded."""
    return tuple(sorted({each.name for each in entry_points(group=group)}))


def load_plugin(group: str, name: str) -> Any:
    """What an entry point names; None where no package has one of that name. Raises `PluginError` for one that
    cannot be loaded, and where several packages have it."""
    found = list(dict.fromkeys(entry_points(group=group, name=name)))
    if not found:
        return None
    if len({each.value for each in found}) > 1:
        packages = ", ".join(sorted(tell_package(each) for each in found))
        raise PluginError(f"several packages have an entry point '{name}' ({packages})", "uninstall all but one")
    try:
        return found[0].load()
    except (Exception, SystemExit) as error:
        problem = f"the entry point of package {tell_package(found[0])} cannot be loaded ({tell_raised(error)})"
        raise PluginError(problem, "repair the package, or uninstall it") from error


def tell_package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def tell_raised(error: BaseException) -> str:
    """What code that is not splitgen's own raised, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, (ImportError, AttributeError, TypeError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
