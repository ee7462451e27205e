"""Datasets of encoded images: what a source lists, before anything is decoded.

A source of files, of rows of a table or of members of an archive gives a `Listing`; `decode_listing` makes the dataset
of it: all images at one size, decoded once.

Worker processes load this module, and those that `Pictures` are defined in: without torch, whose start takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from splitgen.data.cache.oddities import tell_oddities, tell_unreadable
from splitgen.data.cache.sizing import tell_reduction
from splitgen.data.pixels.decode import Preprocessing
from splitgen.data.pixels.encoded import Pictures
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

if TYPE_CHECKING:
    from splitgen.data.dataset import ImageDataset
    from splitgen.data.images import Images


@dataclass(frozen=True)
class Listing:
    """What a source lists.

    source: the spec, without paths of the machine. labels: int [N]. ids: N stable keys.
    notes: what was skipped or found odd, one line each, for the user.
    own_test: the source's own test part, where it has one.
    """

    source: str
    pictures: Pictures
    labels: np.ndarray
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    own_test: Listing | None = None


@dataclass(frozen=True)
class Part:
    """A listing's images, decoded, without those that cannot be read.

    images: M of them. rows: int64 [M], their positions in the listing. digests: uint8 [M, 32], SHA-256 of each one's
    bytes in the source. fingerprint: of the images with their ids and labels; "" where none was asked for.
    """

    images: Images
    rows: np.ndarray
    digests: np.ndarray
    fingerprint: str
    preprocessing: Preprocessing
    notes: tuple[str, ...]


def decode_listing(listing: Listing, config: DataConfig) -> ImageDataset:
    """The dataset of a listing, decoded as the settings say, or read from the cache.

    Raises `SourceError` for labels that cannot be and, unless they are to be skipped, for images that cannot be read,
    all of them in one; `CacheError` for a cache folder that cannot be used or is full.
    """
    from splitgen.data.class_checks import check_classes, check_labels
    from splitgen.data.dataset import OwnTest, make_dataset
    from splitgen.data.duplicates import tell_shared

    labels = check_labels(listing.source, np.asarray(listing.labels), len(listing.pictures), len(listing.class_names))
    check_classes(listing.source, labels, listing.class_names)  # before an hour of decoding, and after it again
    part = decode_part(listing, config)
    own, own_test = listing.own_test, None
    own_notes: tuple[str, ...] = ()
    if own is not None:
        own_part = decode_part(own, config, part.preprocessing)
        own_test = OwnTest(own_part.images, np.asarray(own.labels)[own_part.rows])
        shared = tell_shared(part.digests, own_part.digests) if config.duplicates == "group" else ()
        own_notes = tuple(f"its own test part: {note}" for note in (*own_part.notes, *shared))
    dataset = make_dataset(
        listing.source,
        part.images,
        labels[part.rows],
        fingerprint=part.fingerprint,
        own_test=own_test,
        ids=[listing.ids[row] for row in part.rows],
        class_names=listing.class_names,
        notes=(*listing.notes, *part.notes, *own_notes),
    )
    return replace(dataset, digests=part.digests)


def decode_part(listing: Listing, config: DataConfig, preprocessing: Preprocessing | None = None) -> Part:
    """The images of a listing. preprocessing: that of the train part, by which a test part is decoded, too."""
    from splitgen.data.cache.decoding import Job, decode_pictures
    from splitgen.data.images import hold_mapped

    identity = (listing.ids, np.asarray(listing.labels)) if preprocessing is None else (None, None)
    decoded = decode_pictures(Job(listing.source, listing.pictures, config, preprocessing, *identity))
    records, name, notes = decoded.records, listing.pictures.name, list(decoded.notes)
    if decoded.problems and not config.skip_unreadable:
        told = f"{len(decoded.problems)} of {len(records)} images cannot be used: "
        remedy = "repair them or take them out, or give --skip-unreadable"
        raise SourceError(listing.source, told + tell_unreadable(decoded.problems, name), remedy)
    if decoded.problems:
        first = min(decoded.problems)
        shown = f"first: '{name(first)}' {decoded.problems[first]}"
        notes.append(f"{len(decoded.problems)} images are left out, as they cannot be read ({shown})")
    rows = np.flatnonzero(~np.isin(np.arange(len(records)), list(decoded.problems)))
    if preprocessing is None:
        notes += tell_reduction(records[rows], decoded.preprocessing.size, config)
    notes += tell_oddities(records, name)
    images = hold_mapped(decoded.pixels, rows if decoded.problems else None)
    return Part(images, rows, records["digest"][rows], decoded.fingerprint, decoded.preprocessing, tuple(notes))
