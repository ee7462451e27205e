"""Decoded images are kept: read once, gone on with after any end, mended where damaged, and cleared without harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_pictures import FilePictures
from PIL import Image

from splitgen import DataConfig
from splitgen.claims import FolderClaim
from splitgen.cli.cache_listing import show_cache
from splitgen.data.cache import decoding
from splitgen.data.cache import entries as cache
from splitgen.data.cache.entries import clear_entries, list_entries
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.errors import CacheError
from splitgen.screen.console import Screen

N = 60


@pytest.fixture
def listing(digits, tmp_path) -> Listing:
    """Digits as PNG files; each reading of one is noted."""
    root = tmp_path / "images"
    paths = tuple(f"{row:03d}.png" for row in range(N))
    root.mkdir()
    for row, path in enumerate(paths):
        array = (digits.images.pixels[row, 0] * 15).to(torch.uint8).numpy()
        Image.fromarray(array).resize((40, 40), Image.Resampling.BICUBIC).save(root / path)
    pictures = FilePictures(root, paths, tmp_path / "journal")
    return Listing("folder:digits", pictures, np.arange(N) % 2, paths, ("even", "odd"))


@pytest.fixture
def config(tmp_path) -> DataConfig:
    return DataConfig("folder:digits", cache=str(tmp_path / "cache"))


def count_reads(listing: Listing) -> int:
    """Since it was asked last."""
    journal = listing.pictures.journal
    count = len(journal.read_text().splitlines()) if journal.exists() else 0
    journal.unlink(missing_ok=True)
    return count


def find_entry(config: DataConfig) -> Path:
    (found,) = [path for path in Path(config.cache).iterdir() if path.is_dir()]
    return found


def pixels_of(listing, config):
    return decode_listing(listing, config).images.take(range(N))


def test_a_second_opening_reads_no_image_and_gives_the_same(listing, config):
    first = decode_listing(listing, config)
    assert count_reads(listing) >= N
    second = decode_listing(listing, config)
    assert count_reads(listing) == 0
    assert torch.equal(first.images.take(range(N)), second.images.take(range(N)))
    assert (first.fingerprint, first.ids, first.notes) == (second.fingerprint, second.ids, second.notes)


def test_other_images_sizes_and_ways_are_other_entries(listing, config):
    decode_listing(listing, config)
    for other in ({"image_size": 16}, {"image_size": 32}, {"resize": "pad"}, {"background": "black"}):
        count_reads(listing)
        decode_listing(listing, replace(config, **other))
        assert count_reads(listing) >= N, other
    path = listing.pictures.root / listing.ids[7]
    Image.new("L", (40, 40), 77).save(path)
    found = decode_listing(listing, config)
    assert int(found.images.take([7]).unique()) == 77


def test_other_labels_need_no_decoding_but_have_their_own_fingerprint(listing, config, monkeypatch):
    first = decode_listing(listing, config)
    monkeypatch.setattr("splitgen.data.cache.chunks.look_and_decode", None)  # whoever decodes now fails
    other = replace(listing, labels=1 - listing.labels)
    second = decode_listing(other, config)
    assert second.fingerprint != first.fingerprint
    assert second.labels.tolist() == (1 - listing.labels).tolist()
    count_reads(listing)
    assert decode_listing(other, config).fingerprint == second.fingerprint
    assert decode_listing(listing, config).fingerprint == first.fingerprint
    assert count_reads(listing) == 0


def test_what_cannot_be_told_apart_later_is_not_kept(listing, config, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    unstamped = replace(listing, pictures=replace(listing.pictures, is_stamped=False))
    found = decode_listing(unstamped, config)
    assert torch.equal(found.images.take(range(N)), pixels_of(listing, config))
    assert list((tmp_path / "temporary").iterdir()) == []
    count_reads(listing)
    decode_listing(unstamped, config)
    assert count_reads(listing) >= N


PROGRAM = """
import json, sys, time
from pathlib import Path
import numpy as np
from made_pictures import FilePictures
from splitgen import DataConfig
from splitgen.data.cache import decoding
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.cache.progress import listening
class Slow(FilePictures):
    def read(self, row):
        time.sleep(float(sys.argv[3]))
        return super().read(row)
root = Path(sys.argv[1])
paths = tuple(sorted(path.name for path in root.iterdir()))
listing = Listing("folder:digits", Slow(root, paths, Path(sys.argv[4])), np.arange(len(paths)) % 2, paths, ("a", "b"))
decoding.KEEP_SECONDS, decoding.BLOCK_ROWS, decoding.MAX_CHUNK_ROWS = 0.0, 4, 4
def tell(done, total):
    print(done, flush=True)
with listening(tell):
    found = decode_listing(listing, DataConfig("folder:digits", cache=sys.argv[2]))
print(found.fingerprint, flush=True)
"""


def start(listing: Listing, config: DataConfig, seconds: float) -> subprocess.Popen[str]:
    """Another process that opens the listing, and sleeps at each image."""
    given = [str(listing.pictures.root), str(config.cache), str(seconds), str(listing.pictures.journal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", PROGRAM, *given]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def wait_until(process: subprocess.Popen[str], n_done: int) -> None:
    """Until it has said that so many images are done."""
    assert process.stdout is not None
    for line in process.stdout:
        if not line.startswith("sha256") and int(line) >= n_done:
            return


def test_a_decoding_that_was_killed_goes_on_where_it_was_with_the_same_bytes(listing, config, tmp_path):
    whole = replace(config, cache=str(tmp_path / "whole"))
    expected = decode_listing(listing, whole)
    process = start(listing, config, 0.03)
    wait_until(process, 24)
    process.kill()
    process.wait()
    process.stdout.close()
    entry = find_entry(config)
    done = json.loads((entry / "state.json").read_text())["n_done"]
    assert 20 <= done < N
    with (entry / "pixels.u8").open("ab") as file:
        file.write(b"half an image")  # as a process leaves it that was killed while it wrote
    decoded = []
    monkey = decoding.write_chunk
    try:
        decoding.write_chunk = lambda writer, fingerprint, chunk: (
            decoded.extend(chunk.rows),
            monkey(writer, fingerprint, chunk),
        )
        found = decode_listing(listing, config)
    finally:
        decoding.write_chunk = monkey
    assert decoded == list(range(done, N))
    assert found.fingerprint == expected.fingerprint
    for name in ("pixels.u8", "records.bin"):
        assert (entry / name).read_bytes() == (find_entry(whole) / name).read_bytes()


def test_images_that_changed_before_it_goes_on_are_decoded_again(listing, config):
    with pytest.raises(KeyboardInterrupt):
        interrupt(listing, config, after=30)
    path = listing.pictures.root / listing.ids[5]
    before = path.stat()
    size = len(path.read_bytes())
    Image.new("L", (40, 40), 99).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))  # the same size and time: the stamp is blind to it
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = decode_listing(listing, config)
    assert int(found.images.take([5]).unique()) == 99


def interrupt(listing, config, after):
    """Open it, and stop it by Ctrl-C once so many images are done."""

    def stop(done, total):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "tell_progress", stop)
        patch.setattr(decoding, "BLOCK_ROWS", 5)
        patch.setattr(decoding, "MAX_CHUNK_ROWS", 5)
        decode_listing(listing, config)


def test_after_ctrl_c_nothing_that_was_decoded_is_lost(listing, config):
    with pytest.raises(KeyboardInterrupt):
        interrupt(listing, config, after=30)
    assert json.loads((find_entry(config) / "state.json").read_text())["n_done"] == 30


def damage_pixels(entry):
    content = bytearray((entry / "pixels.u8").read_bytes())
    content[0] ^= 255
    (entry / "pixels.u8").write_bytes(content)


def damage_records(entry):
    content = bytearray((entry / "records.bin").read_bytes())
    content[-1] ^= 255
    (entry / "records.bin").write_bytes(content)


def cut(name):
    return lambda entry: os.truncate(entry / name, (entry / name).stat().st_size - 5)


def write_state(text):
    return lambda entry: (entry / "state.json").write_text(text)


@pytest.mark.parametrize(
    "damage",
    [
        damage_pixels,
        damage_records,
        cut("pixels.u8"),
        cut("records.bin"),
        cut("state.json"),
        lambda entry: (entry / "pixels.u8").unlink(),
        lambda entry: (entry / "state.json").unlink(),
        write_state("[]"),
        write_state("{}"),
        write_state('{"key": "other"}'),
        lambda entry: (entry / "pixels.u8").write_bytes((entry / "pixels.u8").read_bytes() + b"more"),
    ],
)
def test_a_damaged_entry_is_made_again(damage, listing, config):
    expected = pixels_of(listing, config)
    entry = find_entry(config)
    whole = (entry / "pixels.u8").read_bytes()
    damage(entry)
    assert torch.equal(pixels_of(listing, config), expected)
    assert (entry / "pixels.u8").read_bytes() == whole
    count_reads(listing)
    decode_listing(listing, config)
    assert count_reads(listing) == 0


def test_of_two_at_once_one_decodes_and_the_other_waits_for_it(listing, config):
    processes = [start(listing, config, 0.02) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0][-1] == said[1][-1] == decode_listing(listing, config).fingerprint
    n_looked_at = 4 * 4
    assert count_reads(listing) == N + n_looked_at


def test_who_waits_takes_over_from_one_that_dies(listing, config):
    first = start(listing, config, 0.05)
    wait_until(first, 8)
    second = start(listing, config, 0.0)
    time.sleep(1.0)
    first.kill()
    first.wait()
    first.stdout.close()
    said, _ = second.communicate(timeout=120)
    assert said.splitlines()[-1] == decode_listing(listing, config).fingerprint


def test_a_full_disk_is_told_in_one_line_before_the_work(listing, config, monkeypatch):
    monkeypatch.setattr(decoding, "free_bytes", lambda folder: 1000)
    with pytest.raises(CacheError, match=r"the images need 66.5 kB, the disk has 1.0 kB free; make room") as caught:
        decode_listing(listing, config)
    assert "\n" not in str(caught.value)
    assert "--cache" in str(caught.value)


def test_a_disk_that_fills_up_on_the_way_is_told_in_one_line(listing, config, monkeypatch):
    def fail(self, pixels, records, problems):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.Writer, "append", fail)
    with pytest.raises(CacheError, match=r"it cannot be used \(No space left on device\); give another folder"):
        decode_listing(listing, config)


@pytest.mark.parametrize("kind", ["file", "full of other files"])
def test_a_folder_that_cannot_be_a_cache_is_refused_where_it_was_named(kind, listing, config, tmp_path):
    path = Path(config.cache)
    if kind == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "thesis.tex").write_text("mine")
    with pytest.raises(CacheError, match="give (another|an empty) folder") as caught:
        decode_listing(listing, config)
    assert "\n" not in str(caught.value)
    assert [each.name for each in path.glob("*")] in ([], ["thesis.tex"])


def test_without_a_usable_cache_of_the_user_it_is_decoded_for_now_with_a_note(listing, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    found = decode_listing(listing, DataConfig("folder:digits"))
    assert len(found.notes) == 1
    assert found.notes[0].startswith("decoded images are not kept for the next time (")
    assert found.notes[0].endswith("); --cache FOLDER keeps them")


def test_a_user_without_a_home_has_no_cache(listing, monkeypatch):
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", fail)
    found = decode_listing(listing, DataConfig("folder:digits"))
    assert "Could not determine home directory." in found.notes[0]


def test_the_default_is_the_xdg_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "splitgen"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache.default_folder() == tmp_path / "home" / ".cache" / "splitgen"


def test_entries_are_listed_with_source_size_and_state(listing, config, capsys):
    decode_listing(listing, config)
    with pytest.raises(KeyboardInterrupt):
        interrupt(listing, replace(config, image_size=16), after=20)
    found = list_entries(Path(config.cache))
    assert [(each.source, each.shape, each.n_done, each.is_complete) for each in found] == [
        ("folder:digits", (N, 1, 16, 16), 20, False),
        ("folder:digits", (N, 1, 32, 32), N, True),
    ]
    assert found[1].size_bytes > N * 32 * 32
    assert all(each.name.startswith("digits-") for each in found)
    record = show_cache(Screen(), Path(config.cache))
    said = capsys.readouterr().out
    assert "20 of 60" in said
    assert "2 entries, " in said
    assert json.loads(json.dumps(record))["entries"][1]["name"] == found[1].name


def test_clearing_removes_an_entry_or_all_and_nothing_else(listing, config, tmp_path):
    folder = Path(config.cache)
    decode_listing(listing, config)
    decode_listing(listing, replace(config, image_size=16))
    kept, gone = list_entries(folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "state.json").write_text((folder / kept.name / "state.json").read_text())
    (outside / "pixels.u8").write_text("mine")
    (outside / "records.bin").write_text("mine")
    (folder / "link").symlink_to(outside)
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    (folder / gone.name / "mine.txt").write_text("mine")
    with pytest.raises(CacheError, match=f"it has no entry 'nothing'; it holds {kept.name}, {gone.name}"):
        clear_entries(folder, "nothing")
    with pytest.raises(CacheError, match="it has no entry '../outside'"):
        clear_entries(folder, "../outside")
    assert [each.name for each in clear_entries(folder, gone.name)[0]] == [gone.name]
    assert [each.name for each in list_entries(folder)] == [kept.name]
    assert (folder / gone.name / "mine.txt").read_text() == "mine"
    assert [each.name for each in clear_entries(folder, "all")[0]] == [kept.name]
    assert list_entries(folder) == []
    assert sorted(path.name for path in outside.iterdir()) == ["pixels.u8", "records.bin", "state.json"]
    assert (folder / "notes" / "mine.txt").read_text() == "mine"


def test_a_damaged_entry_is_listed_and_can_be_removed(listing, config):
    decode_listing(listing, config)
    entry = find_entry(config)
    (entry / "state.json").write_text("{")
    (found,) = list_entries(Path(config.cache))
    assert (found.name, found.source, found.is_complete) == (entry.name, "damaged", False)
    assert len(clear_entries(Path(config.cache), entry.name)[0]) == 1
    assert not entry.exists()


def test_a_folder_that_is_no_cache_is_never_cleared(listing, config, tmp_path):
    decode_listing(listing, config)
    (Path(config.cache) / "CACHEDIR.TAG").unlink()
    assert list_entries(Path(config.cache)) == []
    assert clear_entries(Path(config.cache), "all") == ([], [])
    assert (find_entry(config) / "pixels.u8").exists()


def test_an_entry_that_is_being_made_stays(listing, config):
    decode_listing(listing, config)
    claim = FolderClaim(find_entry(config))
    removed, busy = clear_entries(Path(config.cache), "all")
    assert (len(removed), len(busy)) == (0, 1)
    claim.release()
    assert len(clear_entries(Path(config.cache), "all")[0]) == 1


def test_images_stay_usable_when_their_entry_is_cleared(listing, config, monkeypatch):
    monkeypatch.setattr("splitgen.data.images.MEMORY_BYTES", 0)
    found = decode_listing(listing, config)
    before = found.images.take(range(N))
    clear_entries(Path(config.cache), "all")
    assert torch.equal(found.images.take(range(N)), before)


def test_the_command_lists_and_clears(listing, config):
    decode_listing(listing, config)
    command = [sys.executable, "-m", "splitgen", "cache", "--cache", str(config.cache)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "folder:digits" in listed
    assert "1 entry, 6" in listed
    cleared = subprocess.run([*command, "--clear", "all"], capture_output=True, text=True, check=True).stdout
    assert "1 entry removed" in cleared
    wrong = subprocess.run([*command, "--clear", "x"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "it has no entry 'x'; it holds nothing" in wrong.stderr


def spoil_passing(listing, rows, monkeypatch):
    """These rows cannot be read for now; gives the original reader back when undone."""
    read = FilePictures.read

    def fail(self, row):
        if row in rows:
            raise OSError(24, "Too many open files")
        return read(self, row)

    monkeypatch.setattr(FilePictures, "read", fail)


def test_a_failure_that_passes_is_not_kept(listing, config):
    skipping = replace(config, skip_unreadable=True)
    with pytest.MonkeyPatch.context() as patch:
        spoil_passing(listing, {3, 7}, patch)
        assert len(decode_listing(listing, skipping)) == N - 2
        assert len(decode_listing(listing, skipping)) == N - 2  # it fails still
    assert len(decode_listing(listing, skipping)) == N
    assert len(decode_listing(listing, config)) == N


def test_an_entry_that_is_made_again_leaves_what_others_have_mapped(listing, config, monkeypatch):
    monkeypatch.setattr("splitgen.data.images.MEMORY_BYTES", 0)  # images stay mapped
    images = decode_listing(listing, config).images
    before = images.take(range(N)).clone()
    (find_entry(config) / "records.bin").write_bytes(b"")  # damaged: the next one makes it again
    decode_listing(listing, config)
    assert torch.equal(images.take(range(N)), before)


def test_a_cache_that_is_cleared_between_making_and_reading_is_made_again(listing, config, monkeypatch):
    expected, made = pixels_of(listing, config), decoding.make_entry
    cleared = []

    def make_and_clear(entry, job):
        found = made(entry, job)
        if not cleared:
            cleared.append(clear_entries(Path(config.cache), "all"))
        return found

    monkeypatch.setattr(decoding, "make_entry", make_and_clear)
    assert torch.equal(pixels_of(listing, config), expected)
    assert cleared


def test_two_that_start_a_cache_at_once_do_not_take_it_for_anothers(config, monkeypatch):
    folder, exists = Path(config.cache), Path.exists

    def made_by_another(self, **options):
        there = exists(self, **options)
        if self.name == cache.TAG and not there:
            self.write_text(cache.TAG_TEXT)
        return there

    monkeypatch.setattr(Path, "exists", made_by_another)
    cache.prepare_folder(folder)
    assert (folder / cache.TAG).is_file()


def test_an_entry_that_somebody_else_removes_first_is_removed(listing, config):
    decode_listing(listing, config)
    assert cache.remove_entry(Path(config.cache) / "no-such-entry")
