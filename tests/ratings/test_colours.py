"""Colours that mean different things stay apart for the colour-blind, and numbers readable."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from rostra.arena.ratings.plots.theme import DARK, LIGHT, Theme

# Machado, Oliveira and Fernandes 2009, A physiologically-based model for simulation of color vision
# deficiency, table 1, severity 1: of linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
FROM_RGB = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""To CIE XYZ under D65, IEC 61966-2-1."""
APART = 12
"""CIE 1976 distance; about 2.3 is just noticed side by side."""

both = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
every_sight = pytest.mark.parametrize("sight", SIGHT)


def linear(colour: str) -> NDArray[np.float64]:
    """[3]"""
    srgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: str) -> NDArray[np.float64]:
    """[3], CIE 1976 L*a*b* of what an eye sees."""
    seen = np.clip(SIGHT[sight] @ linear(colour), 0, 1)
    ratio = (FROM_RGB @ seen) / FROM_RGB.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, sight: str) -> float:
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, section 1.4.3."""
    low, high = sorted(float(FROM_RGB[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@both
@every_sight
def test_marks_are_told_apart(theme: Theme, sight: str) -> None:
    marks = [theme.a, theme.b, theme.tie]
    for one, other in [*combinations(marks, 2), *combinations(theme.chains, 2)]:
        assert distance(one, other, sight) > APART, (one, other)
    for mark in (*marks, *theme.chains):
        assert distance(mark, theme.surface, sight) > 2 * APART, mark


@both
@every_sight
def test_the_sides_of_the_diverging_map_are_told_apart(theme: Theme, sight: str) -> None:
    scale = theme.diverging
    assert distance(scale[0], scale[-1], sight) > 3 * APART
    quarter = len(scale) // 4
    assert distance(scale[quarter], scale[-1 - quarter], sight) > APART


@both
@every_sight
def test_more_is_further_from_nothing(theme: Theme, sight: str) -> None:
    light = np.array([lab(colour, sight)[0] for colour in theme.sequential])
    steps = np.diff(light[:: len(light) // 12])
    assert np.all(steps > 0) or np.all(steps < 0)


@both
@pytest.mark.parametrize("name", ["diverging", "sequential"])
def test_numbers_on_heat_maps_are_readable(theme: Theme, name: str) -> None:
    scale, inks = getattr(theme, name), getattr(theme, f"{name}_ink")
    for place in range(len(scale)):
        ink = inks[min(place * len(inks) // len(scale), len(inks) - 1)]
        assert contrast(scale[place], ink) > 4.5, (place, scale[place], ink)
