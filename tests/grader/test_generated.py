"""The generated sets: the same for the same seed, of the shapes and ranges that are promised, and balanced."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from grader.generated import (
    CLASSES,
    FONTS,
    SHAPES,
    TEST_ANGLE,
    TRAIN_ANGLES,
    ColourSet,
    Digits,
    DigitSet,
    colour_images,
    digits,
    glyph_fields,
)


@pytest.fixture(scope="module")
def drawn() -> DigitSet:
    return digits(seed=7, per_file=300, test_size=205)


@pytest.fixture(scope="module")
def coloured() -> ColourSet:
    return colour_images(seed=7, train_size=300, test_size=105)


def test_digits_have_corruptmnists_shapes_and_ranges(drawn: DigitSet) -> None:
    sizes = [300] * len(TRAIN_ANGLES) + [205]
    for file, size in zip((*drawn.train, drawn.test), sizes, strict=True):
        assert file.images.shape == (size, 28, 28)
        assert file.images.dtype == np.float32
        assert file.images.min() >= 0
        assert 0.9 < file.images.max() <= 1
        assert file.targets.shape == (size,)
        assert file.targets.dtype == np.int64


def test_each_file_of_digits_has_its_own_angle(drawn: DigitSet) -> None:
    assert tuple(file.angle for file in drawn.train) == TRAIN_ANGLES
    assert drawn.test.angle == TEST_ANGLE
    assert len({*TRAIN_ANGLES, TEST_ANGLE}) == len(TRAIN_ANGLES) + 1


def test_the_classes_are_balanced(drawn: DigitSet, coloured: ColourSet) -> None:
    of_digits = [file.targets for file in (*drawn.train, drawn.test)]
    for labels in (*of_digits, coloured.train_labels, coloured.test_labels):
        counts = np.bincount(labels, minlength=CLASSES)
        assert len(counts) == CLASSES
        assert counts.max() - counts.min() <= 1


def test_the_labels_come_in_no_order(drawn: DigitSet) -> None:
    assert np.any(drawn.test.targets != np.arange(205) % CLASSES)
    assert np.any(drawn.train[0].targets != drawn.train[1].targets)


def test_no_image_comes_twice(drawn: DigitSet, coloured: ColourSet) -> None:
    images = [image for file in (*drawn.train, drawn.test) for image in file.images]
    assert len({image.tobytes() for image in images}) == len(images)
    images = [*coloured.train_images, *coloured.test_images]
    assert len({image.tobytes() for image in images}) == len(images)


def test_the_same_seed_draws_the_same_and_another_one_something_else(drawn: DigitSet, coloured: ColourSet) -> None:
    again, other = digits(7, 300, 205), digits(8, 300, 205)
    assert np.array_equal(again.train[5].images, drawn.train[5].images)
    assert np.array_equal(again.test.targets, drawn.test.targets)
    assert not np.array_equal(other.test.images, drawn.test.images)
    coloured_again, coloured_other = colour_images(7, 300, 105), colour_images(8, 300, 105)
    assert np.array_equal(coloured_again.test_images, coloured.test_images)
    assert not np.array_equal(coloured_other.test_images, coloured.test_images)


def test_another_process_draws_the_same() -> None:
    program = (
        "import hashlib; from grader.generated import digits, colour_images;"
        "d, c = digits(3, 20, 20), colour_images(3, 20, 20);"
        "print(hashlib.sha256(d.test.images.tobytes() + c.train_images.tobytes()).hexdigest())"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    mine, coloured = digits(3, 20, 20), colour_images(3, 20, 20)
    expected = hashlib.sha256(mine.test.images.tobytes() + coloured.train_images.tobytes()).hexdigest()
    assert result.stdout.strip() == expected


def test_drawing_needs_no_torch() -> None:
    program = "import sys, grader.generated as g; g.digits(0, 10, 10); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_positive_angles_turn_counter_clockwise() -> None:
    drawn = digits(1, 400, 10, train_angles=(-40.0, 0.0, 40.0))
    left, upright, right = (axis_of_ones(file) for file in reversed(drawn.train))
    assert left == pytest.approx(upright + 40, abs=8)  # degrees, counter-clockwise from upright
    assert right == pytest.approx(upright - 40, abs=8)


def axis_of_ones(file: Digits) -> float:
    """The direction in which the mean image of the ones is longest."""
    weight = file.images[file.targets == 1].mean(0)
    y, x = np.mgrid[13.5:-14.5:-1, -13.5:14.5:1]  # y upwards
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    xx, yy, xy = (np.average(product, weights=weight) for product in (x * x, y * y, x * y))
    return float(np.degrees(0.5 * np.arctan2(-2 * xy, yy - xx)))


def test_every_font_draws_ten_different_digits() -> None:
    fields = glyph_fields()
    assert fields.shape[:2] == (len(FONTS), CLASSES)
    ink = (fields > 0).reshape(len(FONTS), CLASSES, -1)
    assert len({row.tobytes() for font in ink for row in font}) == len(FONTS) * CLASSES
    assert ink.mean(2).min() > 0.03


def test_colour_images_have_cifars_shapes_and_ranges(coloured: ColourSet) -> None:
    assert coloured.train_images.shape == (300, 3, 32, 32)
    assert coloured.test_images.shape == (105, 3, 32, 32)
    assert coloured.train_images.dtype == np.uint8
    assert coloured.train_labels.dtype == np.int64
    assert coloured.train_images.min() < 10
    assert coloured.train_images.max() > 245
    assert len(SHAPES) == CLASSES


def test_the_mean_image_of_a_class_says_little(coloured: ColourSet) -> None:
    """Any colour on any other: a linear model has nothing to hold on to."""
    means = np.stack([coloured.train_images[coloured.train_labels == c].mean(0) for c in range(CLASSES)])
    assert np.abs(means - means.mean(0)).mean() < 20  # of 255; one image differs from the mean by about 60
