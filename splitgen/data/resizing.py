"""Images that come as arrays, at the size that is asked for: each channel is resized as those of pictures are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from splitgen.data.dataset import ImageDataset, OwnTest
from splitgen.data.images import Images, PixelStatistics, Rows, hold_small, stream_statistics
from splitgen.data.pixels.colours import read_colour
from splitgen.data.pixels.decode import Preprocessing, fit_bands
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

COLOURS = 3  # channels that take the background's own three; all others take its luma


@dataclass(frozen=True)
class ResizedImages:
    """Images at another size, resized when they are asked for; of the type that they have.

    fills: of each channel, the value of the background, which `pad` fills up with.
    """

    images: Images
    preprocessing: Preprocessing
    fills: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.fills), self.preprocessing.size, self.preprocessing.size

    @property
    def dtype(self) -> torch.dtype:
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Rows) -> torch.Tensor:
        given = self.images.take(rows).numpy()
        resized = np.empty((len(given), *self.shape), given.dtype)
        for place, image in enumerate(given):
            resized[place] = fit_bands(image, self.preprocessing, self.fills)
        return torch.from_numpy(resized)

    def statistics(self) -> PixelStatistics:
        return stream_statistics(self)


def resize_dataset(dataset: ImageDataset, config: DataConfig) -> ImageDataset:
    """The dataset, and its own test set, at the size that is asked for; as it is where that is its own, or none is.

    Ids, labels and fingerprint, of what the source holds, stay. Raises `SourceError` for features, which have no size.
    """
    size = config.image_size
    if size is None or dataset.images.shape[1:] == (size, size):
        return dataset
    if dataset.holds_features:
        raise SourceError(dataset.source, "its rows are features, which have no size", "leave out --image-size")
    fills = choose_fills(dataset, config)
    preprocessing = Preprocessing(size, dataset.n_channels, config.resize, config.background)
    own = dataset.own_test
    if own is not None:
        own = OwnTest(hold_small(ResizedImages(own.images, preprocessing, fills)), own.labels)
    return replace(dataset, images=hold_small(ResizedImages(dataset.images, preprocessing, fills)), own_test=own)


def choose_fills(dataset: ImageDataset, config: DataConfig) -> tuple[float, ...]:
    """The background as values of each channel: of floats, black is the dataset's least value, white its greatest."""
    colour = np.atleast_1d(read_colour(config.background, "RGB" if dataset.n_channels == COLOURS else "L"))
    values = np.broadcast_to(colour, dataset.n_channels).tolist()
    if dataset.images.dtype == torch.uint8 or config.resize != "pad":  # floats would all be looked at
        return tuple(values)
    low, high = dataset.statistics.low, dataset.statistics.high
    return tuple(low + value / 255 * (high - low) for value in values)
