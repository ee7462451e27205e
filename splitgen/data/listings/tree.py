"""A walk through a folder of images: which files are images, and what is left out, counted by reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from splitgen.data.listings.links import find_outside, tell_outside
from splitgen.data.listings.names import show_path
from splitgen.data.listings.pictures import list_suffixes
from splitgen.errors import SourceError

# What systems and tools leave behind, in small letters; it says nothing about the data, and is left out without a word.
JUNK = frozenset(
    (
        *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *(".ds_store", ".git", ".ipynb_checkpoints", ".gitignore", ".gitattributes", ".gitkeep", ".directory"),
        *(".spotlight-v100", ".trashes", ".fseventsd", ".cache", ".dvc", ".idea", ".vscode"),
    )
)
OWN_RUNS = "splitgen-runs"
RECORD, RESULTS = "run.json", ("split.parquet", "tasks.parquet")  # of a run folder

# Why something is left out: of one, of several. In the order in which they are told.
LOOSE = ("loose image beside the class folders", "loose images beside the class folders")
SUFFIX = ("file that is no image by its suffix", "files that are no images by their suffix")
SPECIAL = ("thing that is no regular file", "things that are no regular files")
HIDDEN = ("hidden file or folder", "hidden files or folders")
BROKEN = ("broken link", "broken links")
UNFOLLOWED = ("linked folder within a class (--follow-links reads it)", "linked folders within a class")
CIRCLE = ("link to a folder that is read already", "links to folders that are read already")
LOCKED = ("folder that cannot be read", "folders that cannot be read")
REASONS = (LOOSE, SUFFIX, SPECIAL, HIDDEN, BROKEN, UNFOLLOWED, CIRCLE, LOCKED)
Reason = tuple[str, str]


@dataclass
class Tally:
    """What is left out: how much of it for each reason, and the first by name."""

    counts: dict[Reason, int] = field(default_factory=dict)
    firsts: dict[Reason, str] = field(default_factory=dict)

    def add(self, reason: Reason, path: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.firsts[reason] = min(path, self.firsts.get(reason, path))

    def tell(self) -> str | None:
        """All of it in one line; None where there is nothing."""
        parts = [
            f"{self.counts[reason]} {reason[self.counts[reason] > 1]} (first: '{show_path(self.firsts[reason])}')"
            for reason in REASONS
            if reason in self.counts
        ]
        return f"left out: {', '.join(parts)}" if parts else None


class FolderWalk:
    """A walk through the folders below a root. Paths are relative to the root, with slashes.

    Junk, hidden files and splitgen's own run folders are never seen. Links to files are files. Linked folders are
    followed where the user says so, each once, and never back to where the walk came from; a class folder that is a
    link within the root is always followed.
    """

    def __init__(self, source: str, root: Path, follow_links: bool) -> None:
        self.source, self.root, self.follow_links = source, root, follow_links
        self.suffixes = list_suffixes()
        self.tally = Tally()
        self.outside: list[str] = []  # links that leave the root, and must not be followed

    def list_folders(self, inside: str = "") -> list[str]:
        """Names of the folders in a folder, sorted; images beside them are loose.

        Raises `SourceError` for links that must not be followed: before a walk, for what a link to / has is endless.
        """
        names = []
        for entry in self.scan(inside):
            path = join(inside, entry.name)
            kind = self.sort_entry(entry, path)
            if kind == "folder":
                if not self.is_run(path):
                    names.append(entry.name)
            elif kind == "link" and self.allows(path):
                if self.is_circle(path, [os.path.realpath(self.root)]):
                    self.tally.add(CIRCLE, path)
                else:
                    names.append(entry.name)
            elif kind == "file" and self.is_image(entry.name):
                self.tally.add(LOOSE, path)
        self.refuse_outside()
        return sorted(names)

    def list_images(self, inside: str) -> list[str]:
        """Image files of a folder and of all below it, sorted."""
        found: list[str] = []
        starts, seen = [os.path.realpath(self.root / inside)], set[tuple[int, int]]()
        waiting, links = [inside], list[str]()
        while waiting or links:
            if not waiting:  # what is really there comes first, so that a link changes no other path
                links.sort()
                waiting.append(links.pop(0))
                if self.is_circle(waiting[0], starts) or self.identify(waiting[0]) in seen:
                    self.tally.add(CIRCLE, waiting.pop())
                    continue
                starts.append(os.path.realpath(self.root / waiting[0]))
            folder = waiting.pop()
            seen.add(self.identify(folder))
            for entry in self.scan(folder):
                path = f"{folder}/{entry.name}"
                kind = self.sort_entry(entry, path)
                if kind == "file":
                    self.take_file(entry, path, found)
                elif kind == "folder":
                    waiting.append(path)
                elif kind == "link" and self.follow_links:
                    links.append(path)
                elif kind == "link" and self.allows(path):
                    self.tally.add(UNFOLLOWED, path)
        return sorted(found)

    def take_file(self, entry: os.DirEntry[str], path: str, found: list[str]) -> None:
        """Keep a file that is an image; count it otherwise."""
        if not self.is_image(entry.name):
            self.tally.add(SUFFIX, path)
        elif not entry.is_symlink() or self.allows(path):
            found.append(path)

    def scan(self, folder: str) -> Sequence[os.DirEntry[str]]:
        """What is in a folder, without junk; nothing of a run's own folder."""
        try:
            with os.scandir(self.root / folder) as entries:
                listed = list(entries)
        except OSError as error:
            if not folder:
                problem = f"it cannot be read ({error.strerror})"
                raise SourceError(self.source, problem, "give a folder that you may read") from error
            self.tally.add(LOCKED, folder)
            return []
        if folder and any(entry.name == RECORD for entry in listed) and self.is_run(folder):
            return []
        return [entry for entry in listed if not is_junk(entry.name)]

    def sort_entry(self, entry: os.DirEntry[str], path: str) -> str:
        """ "file", "folder", or "link" to a folder; "" for what is left out, and counted."""
        if entry.name.startswith("."):
            self.tally.add(HIDDEN, path)
            return ""
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # links that go round in circles
            is_folder = is_file = False
        if is_file:
            return "file"
        if is_folder:
            return "link" if entry.is_symlink() else "folder"
        self.tally.add(BROKEN if entry.is_symlink() else SPECIAL, path)
        return ""

    def is_run(self, folder: str) -> bool:
        """Whether a folder is that of a run of splitgen's."""
        path = self.root / folder
        return (path / RECORD).exists() and any((path / name).exists() for name in RESULTS)

    def is_image(self, name: str) -> bool:
        return os.path.splitext(name)[1].lower() in self.suffixes

    def allows(self, path: str) -> bool:
        """Whether a link may be read: it stays within the root, or the user says so. Keeps those that may not."""
        if self.follow_links or not find_outside(self.root, [self.root / path]):
            return True
        self.outside.append(path)
        return False

    def refuse_outside(self) -> None:
        """Raise `SourceError` where there were links that may not be read."""
        if self.outside:
            shown = tell_outside([self.root / path for path in sorted(self.outside)], self.root)
            raise SourceError(self.source, shown, "give --follow-links to read what they point to")

    def is_circle(self, path: str, starts: Sequence[str]) -> bool:
        """Whether a link leads to a folder that holds one of those that the walk began in."""
        there = os.path.join(os.path.realpath(self.root / path), "")
        return any(os.path.join(start, "").startswith(there) for start in starts)

    def identify(self, folder: str) -> tuple[int, int]:
        """What a folder is known by, however it is reached."""
        found = os.stat(self.root / folder)
        return found.st_dev, found.st_ino


def is_junk(name: str) -> bool:
    return name.lower() in JUNK or name.startswith("._") or name == OWN_RUNS


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
