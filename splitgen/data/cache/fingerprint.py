"""The fingerprint of a dataset, and of what it is made of, added up as it comes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


class Fingerprint:
    """SHA-256 over the source's bytes, then ids, then labels, each with its length in front."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def add(self, part: bytes | memoryview) -> None:
        """The source's next bytes."""
        self.digest.update(len(part).to_bytes(8, "little"))
        self.digest.update(part)

    def finish(self, ids: Sequence[str], labels: np.ndarray) -> str:
        """The fingerprint with these ids and labels; more can be added afterwards, as if this had not been asked."""
        digest = self.digest.copy()
        for key in ids:
            encoded = key.encode("utf-8", "surrogateescape")
            digest.update(len(encoded).to_bytes(8, "little"))
            digest.update(encoded)
        digest.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
        return f"sha256:{digest.hexdigest()}"


def compute_fingerprint(raw: Iterable[bytes | memoryview], ids: Sequence[str], labels: np.ndarray) -> str:
    """SHA-256 over the source's bytes, then ids, then labels, each with its length in front."""
    fingerprint = Fingerprint()
    for part in raw:
        fingerprint.add(part)
    return fingerprint.finish(ids, labels)
