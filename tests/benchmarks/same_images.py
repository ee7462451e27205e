"""The same images in every form that people have them in: is the split the same?

    python tests/benchmarks/same_images.py [--rows 10000] [--cifar10 ../shared/data/cifar10] [--only folder parquet ...]

Writes rows of CIFAR-10 (Parquet files of the Hugging Face hub's layout) as a folder, a Parquet file, a saved dataset of
`datasets`, WebDataset shards, a CSV and a JSON Lines manifest, and wraps the folder as a torch dataset; makes a split
of each with a fixed seed and few steps, on one thread, and compares ids and parts byte by byte. Prints a Markdown
table; exit code 1 where any differ.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow.parquet as pq

FEW = [
    *("--threads", "1", "--seed", "3", "--epochs", "2", "--seeds", "2", "--quiet"),
    *("--meta-steps", "3", "--refine-steps", "2", "--image-size", "32", "--config"),
]
SETTINGS = """
[discovery]
inner_steps = 20
[refinement]
inner_steps = 20
[agreement]
epochs = 1
[sharpening]
rounds = 0
[search]
rows = [800, 1600]
"""
TORCH = """
import numpy as np
from pathlib import Path
from PIL import Image

class Pictures:
    def __init__(self, root):
        self.root = root
        names = sorted(entry.name for entry in Path(root).iterdir())
        self.classes = names
        self.samples = [(str(p), c) for c, name in enumerate(names) for p in sorted(Path(root, name).iterdir())]
        self.targets = [c for _, c in self.samples]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, row):
        path, label = self.samples[row]
        return Image.open(path).convert("RGB"), label

def open_pictures():
    return Pictures("folder")
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--cifar10", type=Path, default=Path(__file__).parents[2].parent / "shared/data/cifar10")
    parser.add_argument("--only", nargs="*", default=list(FORMS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = read_rows(options.cifar10, options.rows)
        write_folder(home, rows)
        (home / "settings.toml").write_text(SETTINGS)
        found = {name: make_split(home, name, FORMS[name](home, rows)) for name in options.only}
    first = next(iter(found.values()))
    print(f"| form | rows | seconds | split | as {options.only[0]} |\n|---|---|---|---|---|")
    for name, (digest, n_rows, seconds) in found.items():
        print(f"| {name} | {n_rows} | {seconds:.0f} | {digest[:12]} | {'same' if digest == first[0] else 'DIFFERS'} |")
    sys.exit(any(digest != first[0] for digest, _, _ in found.values()))


def read_rows(cifar10: Path, n_rows: int) -> list[tuple[str, bytes, int, str]]:
    """Path, bytes, label and class name of the first rows, in the order of a folder."""
    files = sorted(cifar10.glob("train-*.parquet"))
    if not files:
        sys.exit(f"no train-*.parquet in {cifar10}; give --cifar10 FOLDER")
    schema = pq.read_schema(files[0])
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    label_column = next(name for name, kind in features.items() if kind.get("_type") == "ClassLabel")
    image_column = next(name for name, kind in features.items() if kind.get("_type") == "Image")
    names = features[label_column]["names"]
    frame = pd.read_parquet(files[0]).head(n_rows)
    rows = [
        (f"{names[label]}/{position:06d}.jpg", image["bytes"], int(label), names[label])
        for position, (image, label) in enumerate(zip(frame[image_column], frame[label_column], strict=True))
    ]
    return sorted(rows)


def write_folder(home: Path, rows: list[tuple[str, bytes, int, str]]) -> None:
    for path, content, _, _ in rows:
        target = home / "folder" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def make_parquet(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    hub_dataset(rows).to_parquet(home / "images.parquet")
    return "parquet:images.parquet"


def make_saved(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    hub_dataset(rows).save_to_disk(home / "saved")
    return "hf:saved"


def hub_dataset(rows: list[tuple[str, bytes, int, str]]) -> Any:
    """As the Hugging Face hub has it."""
    names = sorted({name for *_, name in rows})
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    columns = {
        "img": [{"bytes": content, "path": path} for path, content, _, _ in rows],
        "label": [names.index(name) for *_, name in rows],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def make_shards(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    """Keys are the paths without suffix; classes stand in a JSON member, by name."""
    for shard in range(2):
        with tarfile.open(home / f"shard-{shard:06d}.tar", "w") as archive:
            half = len(rows) // 2
            for path, content, _, name in rows[shard * half : (half if shard == 0 else len(rows))]:
                add_member(archive, path, content)
                add_member(archive, path.removesuffix(".jpg") + ".json", json.dumps({"label": name}).encode())
    return "webdataset:shard-{000000..000001}.tar"


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def make_csv(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    frame = pd.DataFrame({"path": [row[0] for row in rows], "label": [row[3] for row in rows]})
    frame.to_csv(home / "folder" / "list.csv", index=False)
    return "csv:folder/list.csv"


def make_lines(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    lines = [json.dumps({"path": path, "label": name}) for path, _, _, name in rows]
    (home / "folder" / "list.jsonl").write_text("\n".join(lines))
    return "jsonl:folder/list.jsonl"


def make_torch(home: Path, rows: list[tuple[str, bytes, int, str]]) -> str:
    (home / "own_pictures.py").write_text(TORCH)
    return "own_pictures:open_pictures"


FORMS: dict[str, Callable[[Path, list[tuple[str, bytes, int, str]]], str]] = {
    "folder": lambda home, rows: "folder:folder",
    "parquet": make_parquet,
    "hf": make_saved,
    "webdataset": make_shards,
    "torch dataset": make_torch,
    "csv": make_csv,
    "jsonl": make_lines,
}


def make_split(home: Path, name: str, spec: str) -> tuple[str, int, float]:
    """Digest of ids and parts of the split of a form, its rows, and seconds."""
    out, start = f"run-{name.replace(' ', '-')}", time.monotonic()
    call = [sys.executable, "-m", "splitgen", "make", spec, *FEW, "settings.toml", "--out", out]
    done = subprocess.run(call, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.strip()}")
    frame = pd.read_parquet(home / out / "split.parquet")
    told = "\n".join(f"{name_image(key)} {part}" for key, part in zip(frame["id"], frame["split"], strict=True))
    return hashlib.sha256(told.encode()).hexdigest(), len(frame), time.monotonic() - start


def name_image(key: str) -> str:
    """The image's own name, which no other has: `datasets` saves no folders, and WebDataset's keys have no suffix."""
    return key.rpartition("/")[2].removesuffix(".jpg")


if __name__ == "__main__":
    main()
