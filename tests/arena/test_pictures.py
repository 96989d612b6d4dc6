"""What is taken of a file that calls itself an image."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from rostra.arena.images.picture import media_type_of
from rostra.arena.images.settings import ImageSettings
from rostra.arena.images.unpacking import NoPictureError, taken

SETTINGS = ImageSettings()


def file(form: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options) -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, "red").save(made, form, **options)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("form", "expected"),
    [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp"), ("GIF", "png")],
)
def test_the_four_forms_are_taken(form, expected):
    data = file(form)
    assert media_type_of(data) == f"image/{form.lower()}"
    picture = taken(data, SETTINGS)
    assert (picture.media_type, picture.width, picture.height) == (f"image/{expected}", 40, 30)
    red, green, blue = opened(picture.data).convert("RGB").getpixel((20, 15))
    assert red > 240
    assert max(green, blue) < 15


def test_where_and_with_what_a_photograph_was_taken_is_gone_and_it_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "Camera of Mara"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    for form in ("JPEG", "PNG", "WEBP"):
        data = file(form, exif=exif.tobytes())
        assert b"Mara" in data
        picture = taken(data, SETTINGS)
        assert (picture.width, picture.height) == (30, 40)
        assert b"Mara" not in picture.data
        assert not opened(picture.data).getexif()


def test_comments_and_profiles_are_gone():
    data = file("JPEG", comment=b"from Mara", icc_profile=b"profile of Mara")
    assert b"Mara" not in taken(data, SETTINGS).data
    data = file("GIF", comment=b"from Mara")
    assert b"Mara" not in taken(data, SETTINGS).data


def test_what_stands_behind_an_image_is_gone():
    data = file("PNG") + b"<script>alert(1)</script>"
    assert b"script" not in taken(data, SETTINGS).data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_all_kinds_of_pixels_become_eight_bits(mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    made = io.BytesIO()
    Image.new(mode, (9, 7), 0).save(made, form)
    picture = taken(made.getvalue(), SETTINGS)
    assert opened(picture.data).mode in ("L", "RGB", "RGBA")
    assert (picture.width, picture.height) == (9, 7)


def test_of_a_moving_picture_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "red")]
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:])
    picture = taken(made.getvalue(), SETTINGS)
    assert opened(picture.data).convert("RGB").getpixel((4, 4)) == (0, 0, 255)


def test_large_ones_are_made_smaller_and_fit_into_their_share():
    noise = Image.frombytes("RGBA", (600, 300), random.Random(1).randbytes(600 * 300 * 4))
    made = io.BytesIO()
    noise.save(made, "PNG")
    settings = ImageSettings(longest_side=400, max_round_bytes=200_000, most=2)
    picture = taken(made.getvalue(), settings)
    assert (picture.width, picture.height) == (400, 200)
    assert picture.media_type == "image/jpeg"
    assert len(picture.data) <= 100_000


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is that large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not_one"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_one"),
        (b"<html><script>alert(1)</script>", "not_one"),
        (file("BMP"), "not_one"),
        (file("TIFF"), "not_one"),
        (b"\x89PNG\r\n\x1a\n" + b"nonsense" * 10, "broken"),
        (b"\xff\xd8\xff" + file("PNG"), "broken"),
        (file("PNG", (300, 300))[:150], "broken"),
        (file("JPEG", (300, 300))[:400], "broken"),
        (bomb(30_000, 30_000), "too_many_pixels"),
        (bomb(9_000, 6_000), "too_many_pixels"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 5 * 2**20, "too_large"),
    ],
)
def test_what_is_no_image_is_refused(data, why):
    with pytest.raises(NoPictureError) as caught:
        taken(data, SETTINGS)
    assert caught.value.key == f"image.{why}"
