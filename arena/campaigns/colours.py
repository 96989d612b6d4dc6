"""The one colour that a campaign chooses, and whether it can be read."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

LEAST_CONTRAST = 4.5
"""Of text: WCAG 2.2, success criterion 1.4.3, level AA."""
GROUNDS = {
    "light": ("#ffffff", "#f6f7f8", "#eef0f2"),
    "dark": ("#1a1d21", "#121417", "#23272c"),
}
"""What text stands on in the pages: `--surface`, `--page` and `--surface-2` of their tokens."""

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class Accent(BaseModel):
    """Of links, of what is chosen and of the one button that matters, for each of the themes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    light: Colour
    dark: Colour

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for theme, grounds in GROUNDS.items():
            colour = getattr(self, theme)
            ground = min(grounds, key=lambda each: contrast(colour, each))
            if (found := contrast(colour, ground)) < LEAST_CONTRAST:
                raise ValueError(
                    f"{theme}: {colour} on the pages' {ground} has a contrast of {found:.2f} to 1; "
                    f"{LEAST_CONTRAST} is the least that can be read: choose a "
                    f"{'darker' if theme == 'light' else 'lighter'} one"
                )
        return self

    @property
    def css(self) -> str:
        """Tokens in place of the pages' own."""
        ink_light, ink_dark = ink(self.light), ink(self.dark)
        accent = f"light-dark({self.light}, {self.dark})"
        return (
            f":root {{ --accent: {accent}; --accent-text: {accent}; "
            f"--accent-ink: light-dark({ink_light}, {ink_dark}) }}"
        )


def contrast(one: str, other: str) -> float:
    """1 to 21, of two colours as `#rrggbb` (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """0 to 1 (WCAG 2.2, "relative luminance")."""
    srgb = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink(colour: str) -> str:
    """Of text on `colour`: white or black, whichever can be read better."""
    return max(("#ffffff", "#000000"), key=lambda each: contrast(each, colour))
