"""Data sets drawn on the spot, for machines that have no data and no network.

`digits` has the structure of corruptmnist: files of digits, each file turned by an angle of its own, and a test file
turned by yet another. `colour_images` has the shape of CIFAR-10. Both are deterministic in their seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]  # float32 wherever there is much of it

FONTS = (  # all of them come with matplotlib; no italics, so that 0 degrees means upright
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("STIXGeneral", "STIXGeneralBol", "cmr10", "cmb10", "cmss10", "cmtt10"),
)
TRAIN_ANGLES = (-21.3, 33.8, 46.1, -41.7, 4.9, -7.2)  # degrees, positive is counter-clockwise as in torchvision
TEST_ANGLE = -14.6
SIDE = 28  # pixels of a digit's image
CELL = 64  # pixels of a glyph's distance field, which spans [-FIELD, FIELD] where the glyph is 2 high
FIELD = 1.6
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images [N, 28, 28], float32 in [0, 1], with their labels [N], int64, all turned by `angle` degrees."""

    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    angle: float


@dataclass(frozen=True)
class DigitSet:
    """The train files and the test file of a generated corruptmnist."""

    train: tuple[Digits, ...]
    test: Digits


@dataclass(frozen=True)
class ColourSet:
    """Images [N, 3, 32, 32], uint8, and labels [N], int64."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def digits(
    seed: int = 0,
    per_file: int = 2000,
    test_size: int = 2000,
    train_angles: tuple[float, ...] = TRAIN_ANGLES,
    test_angle: float = TEST_ANGLE,
) -> DigitSet:
    """Draw one file of digits for each train angle, and a test file."""
    *seeds, test_seed = np.random.SeedSequence(seed).spawn(len(train_angles) + 1)
    fields = glyph_fields()
    train = tuple(_draw_file(fields, s, per_file, angle) for s, angle in zip(seeds, train_angles, strict=True))
    return DigitSet(train, _draw_file(fields, test_seed, test_size, test_angle))


def colour_images(seed: int = 0, train_size: int = 10_000, test_size: int = 2_000) -> ColourSet:
    """Draw ten shapes of any place, size, turn and colour, so that one pixel says little and its neighbours much."""
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    return ColourSet(*_draw_shapes(train_seed, train_size), *_draw_shapes(test_seed, test_size))


# --- digits -----------------------------------------------------------------------------------------------------------


@cache
def glyph_fields() -> Floats:
    """Signed distances [fonts, 10, CELL, CELL] to the outline of each glyph, positive inside, its height being 2."""
    return np.stack([np.stack([_distance_field(_glyph(font, str(digit))) for digit in range(10)]) for font in FONTS])


def _glyph(font_name: str, text: str) -> NDArray[np.bool_]:
    """The glyph as a mask, cut to its own size, 40 pixels high or so."""
    import matplotlib
    from matplotlib.ft2font import FT2Font  # unlike matplotlib.text, it does not search the system for fonts

    font = FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font_name}.ttf")))
    font.set_size(54, 72)
    font.set_text(text, 0.0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    mask = np.asarray(font.get_image()) > 127
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _distance_field(mask: NDArray[np.bool_]) -> Floats:
    height, width = mask.shape
    steps = np.linspace(-FIELD, FIELD, CELL) * height / 2
    rows = np.rint(steps + (height - 1) / 2).astype(int)
    columns = np.rint(steps + (width - 1) / 2).astype(int)
    inside = np.zeros((CELL, CELL), bool)
    seen_rows, seen_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    inside[np.ix_(seen_rows, seen_columns)] = mask[np.ix_(rows[seen_rows], columns[seen_columns])]
    pixel = 2 * FIELD / (CELL - 1)
    return ((_distance_to(~inside) - _distance_to(inside)) * pixel).astype(np.float32)


def _distance_to(mask: NDArray[np.bool_]) -> Floats:
    """Distance in pixels from each pixel to the nearest true one: first along the columns, then across them."""
    steps = np.arange(CELL)
    squares = (steps[:, None] - steps[None, :]) ** 2
    along = np.where(mask[None], squares[:, :, None], 4 * CELL**2).min(1)  # [row, column]
    nearest: Floats = np.sqrt((along[:, None, :] + squares[None]).min(2))
    return nearest


def _draw_file(fields: Floats, seed: np.random.SeedSequence, count: int, angle: float) -> Digits:
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(count, dtype=np.int64) % CLASSES)  # as many of each, or one more
    chunks = np.array_split(targets, max(1, count // 500))  # what is at work fits into the cache
    return Digits(np.concatenate([_draw_digits(fields, rng, chunk, angle) for chunk in chunks]), targets, angle)


def _draw_digits(
    fields: Floats, rng: np.random.Generator, targets: NDArray[np.int64], angle: float
) -> NDArray[np.float32]:
    count = len(targets)
    glyphs = rng.integers(len(FONTS), size=count)
    x, y = _source_points(rng, count, angle)
    distance = _bilinear(fields, glyphs, targets, y, x)
    weight = rng.uniform(-0.06, 0.16, (count, 1, 1))  # the pen: how far the outline is moved outwards
    softness = rng.uniform(0.08, 0.25, (count, 1, 1))
    ink = np.clip(0.5 + (distance + weight) / softness, 0, 1) * rng.uniform(0.6, 1.0, (count, 1, 1))
    noise = rng.standard_normal(ink.shape, np.float32) * rng.uniform(0.0, 0.16, (count, 1, 1))
    return np.clip(ink + noise, 0, 1).astype(np.float32)


def _source_points(rng: np.random.Generator, count: int, angle: float) -> tuple[Floats, Floats]:
    """Where in the upright glyph each pixel of each image lies: x and y of [N, 28, 28], y downwards."""

    def draw(low: float, high: float) -> Floats:
        return rng.uniform(low, high, (count, 1, 1)).astype(np.float32)

    grid = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) / 10  # a glyph is 20 pixels high before scaling
    x, y = grid[None, None, :] - draw(-0.2, 0.2), grid[None, :, None] - draw(-0.2, 0.2)
    turn = np.radians(angle + rng.normal(0, 4, (count, 1, 1))).astype(np.float32)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    x, y = x / draw(0.75, 1.25), y / draw(0.75, 1.05)
    x = x + draw(-0.35, 0.35) * y
    bend, ripple = draw(0.0, 0.12), draw(0.0, 0.12)
    return x + bend * np.sin(draw(1, 3) * y + draw(0, 6.3)), y + ripple * np.sin(draw(1, 3) * x + draw(0, 6.3))


def _bilinear(fields: Floats, glyphs: NDArray[np.int64], targets: NDArray[np.int64], y: Floats, x: Floats) -> Floats:
    row, column = (np.clip((p + FIELD) * ((CELL - 1) / (2 * FIELD)), 0, CELL - 1.001) for p in (y, x))
    top, left = row.astype(np.int64), column.astype(np.int64)
    down, right = row - top, column - left
    flat = fields.reshape(-1)
    corner = ((glyphs * CLASSES + targets)[:, None, None] * CELL + top) * CELL + left
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + CELL] * (1 - right) + flat[corner + CELL + 1] * right
    blend: Floats = upper * (1 - down) + lower * down
    return blend


# --- colour images ----------------------------------------------------------------------------------------------------


def _polygon(u: Floats, v: Floats, corners: int, size: float) -> Floats:
    sector = 2 * np.pi / corners
    return size - np.hypot(u, v) * np.cos((np.arctan2(v, u) % sector) - sector / 2)


SHAPES: tuple[Callable[[Floats, Floats], Floats], ...] = (  # positive inside, in units of the shape's size
    lambda u, v: 0.8 - np.hypot(u, v),  # disc
    lambda u, v: 0.2 - abs(np.hypot(u, v) - 0.7),  # ring
    lambda u, v: 0.75 - np.maximum(abs(u), abs(v)),  # square
    lambda u, v: 0.18 - abs(np.maximum(abs(u), abs(v)) - 0.68),  # frame
    lambda u, v: _polygon(u, v, 3, 0.5),  # triangle
    lambda u, v: np.minimum(0.25 - np.minimum(abs(u), abs(v)), 0.9 - np.maximum(abs(u), abs(v))),  # cross
    lambda u, v: 0.62 + 0.33 * np.cos(5 * np.arctan2(v, u)) - np.hypot(u, v),  # star
    lambda u, v: np.minimum(0.85 - np.hypot(u, v), np.hypot(u - 0.4, v) - 0.62),  # crescent
    lambda u, v: np.minimum(0.2 - abs(abs(u) - 0.45), 0.8 - abs(v)),  # two bars
    lambda u, v: np.minimum(abs(v) - abs(u), 0.8 - abs(v)),  # hourglass
)


def _draw_shapes(seed: np.random.SeedSequence, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count, dtype=np.int64) % CLASSES)
    images = np.empty((count, 3, 32, 32), np.uint8)
    for label, shape in enumerate(SHAPES):
        places = np.flatnonzero(labels == label)
        images[places] = _draw_shape(rng, len(places), shape)
    return images, labels


def _draw_shape(rng: np.random.Generator, count: int, shape: Callable[[Floats, Floats], Floats]) -> NDArray[np.uint8]:
    def draw(low: float, high: float, channels: int = 1) -> Floats:
        return rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32)

    grid = np.linspace(-1, 1, 32, dtype=np.float32)
    x, y = grid[None, None, None, :], grid[None, None, :, None]
    size, turn = draw(0.35, 0.75), draw(0, 2 * np.pi)
    u, v = (x - draw(-0.3, 0.3)) / size, (y - draw(-0.3, 0.3)) / size
    u, v = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    cover = np.clip(0.5 + shape(u, v) * size * 10, 0, 1)  # [N, 1, 32, 32], one pixel of blur
    paint = draw(0, 1, 3)
    ground = np.mod(paint + draw(0.25, 0.75, 3), 1)  # another colour than the paint's, in every channel
    ground = ground + draw(-0.2, 0.2, 3) * x + draw(-0.2, 0.2, 3) * y
    ground = ground + 0.2 * np.sin(draw(3, 9) * x + draw(3, 9) * y + draw(0, 6.3)) * draw(-1, 1, 3)
    pixels = ground + cover * (paint - ground)
    pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * draw(0.02, 0.15)
    levels: NDArray[np.uint8] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return levels
