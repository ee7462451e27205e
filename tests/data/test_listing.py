"""A listing of encoded images becomes a dataset: right pixels, whoever decodes them, and a word on what is odd."""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_pictures import FilePictures
from PIL import Image

from splitgen import DataConfig
from splitgen.data.cache import decoding, workers
from splitgen.data.cache.chunks import Order
from splitgen.data.cache.progress import listening
from splitgen.data.dataset import compute_fingerprint
from splitgen.data.listings.listing import Listing, decode_listing, decode_part
from splitgen.errors import SourceError

N = 40


@pytest.fixture
def cached(tmp_path) -> DataConfig:
    """Settings with a cache of the test's own."""
    return DataConfig("folder:made", cache=str(tmp_path / "cache"))


@pytest.fixture
def write_digits(digits, tmp_path):
    """Digits as files, of some side and format: their listing."""

    def write(n=N, side=40, suffix="png", mode="L") -> Listing:
        root = tmp_path / "images"
        paths = tuple(f"{row % 2}/{row:04d}.{suffix}" for row in range(n))
        for row, path in enumerate(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            array = (digits.images.pixels[row, 0] * 15).to(torch.uint8).numpy()
            picture = Image.fromarray(array).convert(mode)
            picture.resize((side, side), Image.Resampling.BICUBIC).save(root / path)
        labels = np.arange(n) % 2
        return Listing("folder:made", FilePictures(root, paths), labels, paths, ("even", "odd"))

    return write


def decode_alone(listing: Listing, size: int, mode: str = "L") -> torch.Tensor:
    """By Pillow itself, a file at a time."""
    found = []
    for row in range(len(listing.pictures)):
        with Image.open(io.BytesIO(listing.pictures.read(row))) as picture:
            array = np.asarray(picture.convert(mode).resize((size, size), Image.Resampling.BILINEAR))
        found.append(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
    return torch.from_numpy(np.stack(found))


@pytest.fixture
def many_workers(monkeypatch):
    """Two worker processes, however little there is to do, in many chunks; once they have started, or given up."""
    crew = workers.Crew

    class Patient(crew):
        def __init__(self, pictures, n_workers):
            super().__init__(pictures, n_workers)
            for thread in threading.enumerate():
                if thread.name.endswith("(prepare)"):
                    thread.join(60)

    monkeypatch.setattr(workers, "Crew", Patient)
    monkeypatch.setattr(decoding, "WORKERS_PAY", 0.0)
    monkeypatch.setattr(decoding, "count_cpus", lambda: 2)
    monkeypatch.setattr(decoding, "MAX_CHUNK_ROWS", 7)
    monkeypatch.setattr(decoding, "BLOCK_ROWS", 5)


def test_images_are_those_of_pillow_with_the_fingerprint_of_their_bytes(write_digits, cached):
    listing = write_digits()
    found = decode_listing(listing, cached)
    assert torch.equal(found.images.take(range(N)), decode_alone(listing, 32))
    raw = [listing.pictures.read(row) for row in range(N)]
    assert found.fingerprint == compute_fingerprint(raw, listing.ids, listing.labels)
    assert (found.ids, found.class_names) == (listing.ids, ("even", "odd"))
    assert found.labels.tolist() == listing.labels.tolist()


def test_workers_give_the_same_dataset_as_this_process(write_digits, cached, tmp_path, many_workers, monkeypatch):
    listing, seen = write_digits(mode="RGB"), []
    with listening(lambda done, total: seen.append((done, total))):
        by_workers = decode_listing(listing, cached)
    assert seen[-1] == (N, N)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 5
    monkeypatch.setattr(decoding, "count_cpus", lambda: 1)
    alone = decode_listing(listing, replace(cached, cache=str(tmp_path / "other")))
    assert torch.equal(by_workers.images.take(range(N)), alone.images.take(range(N)))
    assert torch.equal(by_workers.images.take(range(N)), decode_alone(listing, 32, "RGB"))
    assert by_workers.fingerprint == alone.fingerprint


def start_worker(pictures) -> workers.Worker:
    sent = workers.pickle_pictures(pictures)
    assert sent is not None
    worker = workers.Worker()
    assert worker.send(sent)
    return worker


def test_until_workers_have_started_images_are_decoded_here(write_digits, cached, monkeypatch):
    monkeypatch.setattr(decoding, "WORKERS_PAY", 0.0)
    monkeypatch.setattr(decoding, "count_cpus", lambda: 2)
    monkeypatch.setattr(workers.Crew, "prepare", lambda self, worker, pictures: None)  # they never have
    listing = write_digits()
    found = decode_listing(listing, cached)
    assert torch.equal(found.images.take(range(N)), decode_alone(listing, 32))


def test_a_worker_starts_without_torch(write_digits):
    worker = start_worker(write_digits().pictures)
    worker.ask(Order("look", range(2)))
    maps = Path(f"/proc/{worker.process.pid}/maps")
    loaded = maps.read_text() if maps.exists() else ""
    worker.stop()
    assert "libtorch" not in loaded
    assert worker.process.poll() is not None


def test_a_worker_ends_when_its_parent_has_gone(write_digits):
    worker = start_worker(write_digits().pictures)
    worker.ask(Order("look", range(2)))
    worker.process.stdin.close()  # as the end of the parent closes it
    assert worker.process.wait(timeout=20) == 0
    worker.stop()


class Lethal(FilePictures):
    """Row 20 ends the process that reads it, where that is a worker."""

    def read(self, row):
        if row == 20 and os.environ.get("PYTEST_CURRENT_TEST") is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(row)


def test_a_worker_that_is_killed_is_told_in_one_line_and_the_rest_is_kept(
    write_digits, cached, many_workers, monkeypatch
):
    listing = write_digits()
    lethal = replace(listing, pictures=Lethal(listing.pictures.root, listing.pictures.paths))
    name = os.environ.pop("PYTEST_CURRENT_TEST")  # workers take over the environment, and this tells them apart
    start = start_worker(lethal.pictures)
    os.environ["PYTEST_CURRENT_TEST"] = name
    with pytest.raises(workers.WorkerError, match="ended with -9 at the rows 18 to 21"):
        start.ask(Order("look", range(18, 22)))
    start.stop()

    def die(pictures, orders, n_workers):
        yield from ()
        raise workers.WorkerError(-9, range(18, 22))

    monkeypatch.setattr(decoding, "map_orders", die)
    with pytest.raises(
        SourceError, match=r"decoded the images '0/0018.png' to '1/0021.png' ended \(signal 9\)"
    ) as told:
        decode_listing(listing, cached)
    assert told.value.exit_code == 3


@pytest.mark.parametrize("n_started", [0, 1])
def test_where_no_more_processes_can_be_started_images_are_read_by_those_there_are(
    write_digits, cached, many_workers, monkeypatch, n_started
):
    start, begun = workers.Worker.__init__, []

    def start_few(worker: workers.Worker) -> None:
        if len(begun) == n_started:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        start(worker)
        begun.append(worker)

    monkeypatch.setattr(workers.Worker, "__init__", start_few)
    listing = write_digits()
    few = decode_listing(listing, cached)
    assert len(begun) == n_started
    assert all(worker.process.poll() is not None for worker in begun)
    assert torch.equal(few.images.pixels, decode_alone(listing, 32))


class Unsendable(FilePictures):
    def __reduce__(self):
        raise TypeError("no")


class Unknown(FilePictures):
    """Its class cannot be found by a worker."""


Unknown.__module__ = "a_module_that_is_not_there"


@pytest.mark.parametrize("kind", [Unsendable, Unknown])
def test_pictures_that_no_worker_can_have_are_read_here(kind, write_digits, cached, many_workers):
    listing = write_digits()
    kept = replace(listing, pictures=kind(listing.pictures.root, listing.pictures.paths))
    found = decode_listing(kept, cached)
    assert torch.equal(found.images.take(range(N)), decode_alone(listing, 32))


class Faulty(FilePictures):
    def read(self, row):
        if row == 30:
            raise SourceError("folder:made", "its table is broken", "mend it")
        return super().read(row)


def test_an_error_of_the_source_comes_as_it_is_from_a_worker_too(write_digits, cached, many_workers):
    listing = write_digits()
    faulty = replace(listing, pictures=Faulty(listing.pictures.root, listing.pictures.paths))
    with pytest.raises(SourceError, match="its table is broken; mend it"):
        decode_listing(faulty, cached)


@pytest.mark.parametrize(("side", "size"), [(8, 8), (20, 20), (32, 32), (33, 32), (47, 32)])
def test_small_images_keep_their_size_and_larger_ones_become_32_pixels(side, size, write_digits, cached):
    found = decode_listing(write_digits(side=side), cached)
    assert found.images.shape == (1, size, size)
    assert found.notes == ()


def test_a_great_reduction_is_told_with_what_keeps_more(write_digits, cached):
    listing = write_digits(side=224)
    assert decode_listing(listing, cached).notes == (
        "images are 224 pixels a side (median): reduced to 32; --image-size 64 keeps more detail and takes longer",
    )
    asked = decode_listing(listing, replace(cached, image_size=32))
    assert asked.notes == ()
    assert decode_listing(listing, replace(cached, image_size=64)).images.shape == (1, 64, 64)


@pytest.mark.parametrize("workers_pay", [0.0, 1000.0])
def test_what_the_first_images_did_not_tell_is_mended(workers_pay, write_digits, cached, monkeypatch):
    """One of them is in colour, and most are smaller than those looked at first: found on the way, or at the end."""
    monkeypatch.setattr(decoding, "FORESEEN_BLOCKS", 1)
    monkeypatch.setattr(decoding, "BLOCK_ROWS", 4)
    monkeypatch.setattr(decoding, "WORKERS_PAY", workers_pay)
    listing = write_digits(side=60)
    root = listing.pictures.root
    for row in range(4, N):
        Image.open(root / listing.ids[row]).resize((20, 20)).save(root / listing.ids[row])
    assert decode_listing(listing, cached).images.shape == (1, 20, 20)
    Image.new("RGB", (20, 20), (250, 10, 20)).save(root / listing.ids[33])
    found = decode_listing(listing, cached)
    assert torch.equal(found.images.take(range(N)), decode_alone(listing, 20, "RGB"))
    assert found.images.take([33])[0, :, 5, 5].tolist() == [250, 10, 20]


@pytest.mark.parametrize("blocks", [4, 1])
def test_the_range_of_values_without_one_is_that_of_all_images(blocks, write_digits, cached, monkeypatch):
    """Whether the images looked at first show that there are such, or only a later one."""
    monkeypatch.setattr(decoding, "FORESEEN_BLOCKS", blocks)
    monkeypatch.setattr(decoding, "BLOCK_ROWS", 10)
    listing = write_digits(side=32, suffix="tif")
    values = np.zeros((32, 32), np.float32)
    values[:, 16:] = 2.0
    for row, scale in ((33, 1.0), (35, 4.0)):
        Image.fromarray(values * scale - 2).save(listing.pictures.root / listing.ids[row])
    found = decode_listing(listing, cached).images.take([33, 35])
    assert [int(image[0, 5, 5]) for image in found] == [0, 0]  # of -2 .. 6
    assert [int(image[0, 5, 25]) for image in found] == [64, 255]


def test_values_that_have_no_range_in_common_are_told_in_one_line(write_digits, cached):
    listing = write_digits(side=32, suffix="tif")
    for row, kind in ((3, np.float32), (5, np.int32)):
        values = np.arange(32 * 32, dtype=kind).reshape(32, 32)
        Image.fromarray(values).save(listing.pictures.root / listing.ids[row])
    with pytest.raises(SourceError, match="no range in common; give images of one kind"):
        decode_listing(listing, cached)


def spoil(listing: Listing, rows) -> None:
    for row in rows:
        path = listing.pictures.root / listing.ids[row]
        path.write_bytes(path.read_bytes()[:60])


def test_all_images_that_cannot_be_read_are_named_in_one_line(write_digits, cached, many_workers):
    listing = write_digits()
    spoil(listing, (3, 17, 18))
    (listing.pictures.root / listing.ids[31]).write_bytes(b"")
    with pytest.raises(SourceError) as caught:
        decode_listing(listing, cached)
    line = str(caught.value)
    assert "\n" not in line
    for row in (3, 17, 18, 31):
        assert f"'{listing.ids[row]}' is " in line
    assert "--skip-unreadable" in line
    assert "4 of 40 images cannot be used" in line


def test_of_many_that_cannot_be_read_the_first_twenty_are_named(write_digits, cached):
    listing = write_digits()
    spoil(listing, range(25))
    with pytest.raises(SourceError, match="25 of 40 images cannot be used: .*'1/0019.png' [^']* and 5 more; repair"):
        decode_listing(listing, cached)


def test_a_file_that_is_gone_is_an_image_that_cannot_be_read(write_digits, cached):
    listing = write_digits()
    gone = replace(listing.pictures, is_stamped=False)
    (gone.root / listing.ids[6]).unlink()
    with pytest.raises(SourceError, match=r"1 of 40 .*'0/0006.png' cannot be read \(No such file or directory\)"):
        decode_listing(replace(listing, pictures=gone), cached)


def test_unreadable_images_are_left_out_with_label_and_id_where_asked_for(write_digits, cached):
    listing, bad = write_digits(), (3, 17)
    spoil(listing, bad)
    for _ in range(2):  # the second time from the cache
        found = decode_listing(listing, replace(cached, skip_unreadable=True))
        kept = [row for row in range(N) if row not in bad]
        assert found.ids == tuple(listing.ids[row] for row in kept)
        assert found.labels.tolist() == [row % 2 for row in kept]
        assert found.notes == (
            "2 images are left out, as they cannot be read (first: '1/0003.png' is damaged: a checksum in it is wrong)",
        )
        raw = [listing.pictures.read(row) for row in kept]
        assert found.fingerprint == compute_fingerprint(raw, found.ids, found.labels)
        for place, row in ((0, 0), (3, 4), (20, 22)):
            with Image.open(listing.pictures.root / listing.ids[row]) as picture:
                expected = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR))
            assert np.array_equal(found.images.take([place])[0, 0].numpy(), expected)
    with pytest.raises(SourceError, match="2 of 40 images cannot be used"):  # and not a dataset from the cache
        decode_listing(listing, cached)


def test_too_few_rows_left_of_a_class_are_told(write_digits, cached):
    listing = write_digits()
    spoil(listing, range(0, 24, 2))
    with pytest.raises(SourceError, match="class 'even' has 8 rows"):
        decode_listing(listing, replace(cached, skip_unreadable=True))


def test_labels_are_checked_before_anything_is_decoded(write_digits, cached, tmp_path):
    listing = write_digits()
    with pytest.raises(SourceError, match="label 2"):
        decode_listing(replace(listing, labels=np.arange(N) % 3), cached)
    with pytest.raises(SourceError, match="class 'odd' has 1 rows"):
        decode_listing(replace(listing, labels=(np.arange(N) == 0).astype(int)), cached)
    assert not (tmp_path / "cache").exists()


def test_several_frames_constant_clipped_and_equal_images_are_told(write_digits, cached):
    listing = write_digits(suffix="gif")
    root = listing.pictures.root
    frames = [Image.new("L", (48, 48), shade) for shade in (10, 200)]
    noise = np.random.default_rng(0).integers(1, 255, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(root / listing.ids[2], save_all=True, append_images=frames)
    for row in (4, 5):
        Image.new("L", (48, 48), 90 + row).save(root / listing.ids[row])
    assert decode_listing(listing, cached).notes == (
        "several frames, of which the first is taken: 1 of 40 images (first: '0/0002.gif')",
        "of one value throughout: 2 of 40 images (first: '0/0004.gif')",
    )
    for row in range(30):
        half = Image.new("L", (32, 32), 255)
        half.paste(0, (0, 0, 32, 1 + row % 3))
        half.info["comment"] = f"image {row}".encode()  # so that the files differ
        half.save(root / listing.ids[row], comment=f"image {row}")
    assert decode_listing(listing, replace(cached, image_size=32)).notes == (
        "black or white in nearly all of its pixels, as if clipped: 30 of 40 images (first: '0/0000.gif')",
        "40 different images give only 13 different ones in the pixels that a model sees",
    )


def test_an_own_test_part_is_decoded_as_the_train_part_is(write_digits, cached):
    listing = write_digits(side=20)
    test_root = listing.pictures.root.parent / "test"
    paths = tuple(f"{row:02d}.png" for row in range(12))
    test_root.mkdir()
    for row, path in enumerate(paths):
        Image.new("RGB", (70, 70), (row * 20, 10, 10)).save(test_root / path)
    own = Listing("folder:test", FilePictures(test_root, paths), np.arange(12) % 2, paths, ("even", "odd"))
    found = decode_listing(replace(listing, own_test=own), cached)
    assert found.own_test is not None
    assert found.own_test.images.shape == found.images.shape == (1, 20, 20)
    assert len(found.own_test.images) == 12
    assert found.notes == ("its own test part: of one value throughout: 12 of 12 images (first: '00.png')",)
    assert found.fingerprint == decode_listing(listing, cached).fingerprint


def test_digests_are_those_of_the_bytes_of_each_image_that_is_kept(write_digits, cached):
    listing = write_digits()
    root = listing.pictures.root
    (root / listing.ids[9]).write_bytes((root / listing.ids[8]).read_bytes())
    spoil(listing, (3,))
    part = decode_part(listing, replace(cached, skip_unreadable=True))
    assert part.digests.shape == (N - 1, 32)
    assert part.rows.tolist() == [row for row in range(N) if row != 3]
    equal = (part.digests[:, None] == part.digests[None]).all(axis=2)
    assert np.argwhere(np.triu(equal, 1)).tolist() == [[7, 8]]


def taught_by_a_plugin(picture_file, filename=None):
    raise SyntaxError("not this one")


def test_formats_that_pillow_was_taught_here_are_read_here(write_digits, cached, many_workers, monkeypatch):
    """A worker would not know them."""
    listing = write_digits()
    expected = decode_listing(listing, cached).images.take(range(N))
    monkeypatch.setitem(Image.OPEN, "TAUGHT", (taught_by_a_plugin, None))
    monkeypatch.setattr(workers, "Crew", None)  # none is started
    found = decode_listing(listing, replace(cached, cache=f"{cached.cache}-other"))
    assert torch.equal(found.images.take(range(N)), expected)


@pytest.mark.parametrize("n_images", [N, 150])  # all are looked at first, or some
def test_images_that_cannot_be_decoded_do_not_decide_the_channels(n_images, write_digits, cached):
    listing = write_digits(n_images)
    path = listing.pictures.root / listing.pictures.paths[1]
    Image.new("RGB", (40, 40), "red").save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # the header tells colours, the pixels are cut off
    found = decode_listing(listing, replace(cached, skip_unreadable=True))
    assert found.images.shape == (1, 32, 32)
    assert len(found) == n_images - 1


def test_images_that_the_own_test_part_shares_are_told(write_digits, cached):
    listing = write_digits()
    shared = listing.ids[10:14]
    own = Listing(
        "folder:made", FilePictures(listing.pictures.root, shared), listing.labels[10:14], shared, ("even", "odd")
    )
    told = "its own test part: 4 of its 4 images are byte-identical with images to be split"
    assert told in decode_listing(replace(listing, own_test=own), cached).notes
    ignoring = replace(cached, duplicates="ignore")
    assert not decode_listing(replace(listing, own_test=own), ignoring).notes
