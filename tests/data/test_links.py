"""Links in an image folder: those that stay within it are images like others, those that leave it are refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from splitgen import DataConfig, Split, export_split, open_dataset
from splitgen.errors import ExportError, SourceError
from splitgen.settings.layers import build_config, merge_settings
from splitgen.store.recall import recall_settings


def draw(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """Two classes of twelve images, beside a folder of others' images."""
    for c, name in enumerate(("cat", "dog")):
        for i in range(12):
            draw(tmp_path / "photos" / name / f"{i}.png", 100 * c + i)
    for i in range(12):
        draw(tmp_path / "private" / f"{i}.png", 250)
    return tmp_path / "photos"


def load(root, **settings):
    return open_dataset(DataConfig(f"folder:{root}", image_size=8, **settings))


def test_files_and_class_folders_that_leave_the_folder_are_refused_in_a_line_unless_allowed(root):
    private = root.parent / "private"
    (root / "dog" / "deep").mkdir()
    (root / "dog" / "deep" / "a.png").symlink_to(private / "0.png")
    (root / "dog" / "b.png").symlink_to("../../private/1.png")
    with pytest.raises(SourceError, match=r"2 links leave the folder \(first: 'dog/b.png'\); give --follow-links") as e:
        load(root)
    assert "\n" not in str(e.value)
    assert (load(root, follow_links=True).images.pixels[-2:] == 250).all()
    (root / "fox").symlink_to(private)
    with pytest.raises(SourceError, match=r"one link leaves the folder \(first: 'fox'\)"):
        load(root)
    assert load(root, follow_links=True).class_counts.tolist() == [12, 14, 12]


def test_a_folder_whose_name_starts_as_the_roots_is_another(root):
    draw(root.parent / "photos2" / "x.png", 9)
    (root / "cat" / "x.png").symlink_to(root.parent / "photos2" / "x.png")
    with pytest.raises(SourceError, match="'cat/x.png'"):
        load(root)


def test_links_within_the_folder_a_linked_root_circles_and_broken_links_do_no_harm(root):
    before = load(root)
    (root.parent / "named").symlink_to(root)
    assert load(root.parent / "named").fingerprint == before.fingerprint
    (root / "dog" / "gone.png").symlink_to(root.parent / "nowhere.png")
    (root / "dog" / "self.png").symlink_to("self.png")
    (root / "dog" / "up").symlink_to(root)
    assert load(root).fingerprint == before.fingerprint
    (root / "dog" / "same.png").symlink_to("../cat/3.png")
    assert (load(root).images.pixels[-1] == 3).all()
    (root / "elk").symlink_to("cat")
    assert load(root).class_counts.tolist() == [12, 13, 12]


def test_a_link_to_the_whole_machine_is_refused_without_a_walk_through_it(root):
    (root / "all").symlink_to("/")
    with pytest.raises(SourceError, match="first: 'all'"):
        load(root)


def make_split(dataset):
    parts = np.where(np.arange(dataset.n_points) % 2, "train", "test")
    margins = np.zeros(dataset.n_points, np.float32)
    return Split(dataset.ids, dataset.labels, dataset.labels, parts, margins, margins, {"target": "label"})


def test_bytes_of_links_that_leave_the_images_are_copied_on_demand_only(root, tmp_path):
    split = make_split(load(root))
    (root / "cat" / "3.png").unlink()
    (root / "cat" / "3.png").symlink_to("../../private/0.png")
    with pytest.raises(ExportError, match=r"one link leaves the folder \(first: 'cat/3.png'\); give --follow-links"):
        export_split(split, "huggingface", tmp_path / "hf", images=root)
    assert not (tmp_path / "hf").exists()
    export_split(split, "huggingface", tmp_path / "hf", images=root, follow_links=True)
    export_split(split, "imagefolder", tmp_path / "links", images=root)  # a link to a link: no byte is copied
    assert (tmp_path / "links" / "test").is_dir()


def test_what_only_the_user_allows_is_recorded_but_not_recalled_from_a_file(tmp_path):
    data = {"dataset": "folder:x", "root": "r", "image_size": 8, "follow_links": True, "download": True}
    (tmp_path / "run.json").write_text(json.dumps({"config": {"data": data}}))
    recalled = recall_settings(tmp_path, {"config": {"seed": 3}})
    assert recalled == {"seed": 3, "data": {"dataset": "folder:x", "root": "r", "image_size": 8}}
    config = build_config(recalled)
    assert (config.data.follow_links, config.data.download) == (False, False)
    assert build_config(merge_settings(recalled, {"data": {"follow_links": True}})).data.follow_links


def test_the_option_is_on_the_command_line_and_its_want_is_one_line(root, tmp_path):
    (root / "dog" / "b.png").symlink_to("../../private/1.png")
    np.savez(tmp_path / "rows.npz", train=np.arange(12), test=np.arange(12, 25))
    command = [sys.executable, "-m", "splitgen", "import", "rows.npz", f"folder:{root}", "--out", "split.parquet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "one link leaves the folder (first: 'dog/b.png'); give --follow-links" in done.stderr
    done = subprocess.run([*command, "--follow-links"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command = [*command[:3], "export", "split.parquet", "--to", "huggingface", "--out", "hf", "--images", str(root)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "give --follow-links to copy what they point to" in done.stderr
    done = subprocess.run([*command, "--follow-links"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
