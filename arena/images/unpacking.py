"""Files that browsers send, as pictures.

Each is made anew from its pixels, so that nothing else of what came is in it, such as the place
where a photograph was taken."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from rostra.arena.images.picture import Picture, media_type_of
from rostra.arena.images.settings import ImageSettings

_QUALITIES = (90, 75, 50, 25, 10)


class NoPictureError(Exception):
    """What came cannot be taken. `key`: of the text in the catalogue that says why."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def taken(data: bytes, settings: ImageSettings) -> Picture:
    """The picture in the file `data`, upright, of a moving one the first frame. It is within the
    settings' sizes and takes at most its share of what a round may hold.

    Blocks for as long as unpacking takes. Raises `NoPictureError`.
    """
    if len(data) > settings.max_bytes:
        raise NoPictureError("image.too_large")
    media_type = media_type_of(data)
    if media_type is None:
        raise NoPictureError("image.not_one")
    try:
        # Only what the first bytes say is tried: other decoders have nothing to do with it.
        with Image.open(
            io.BytesIO(data), formats=[media_type.removeprefix("image/").upper()]
        ) as opened:
            if opened.width * opened.height > settings.max_pixels:
                raise NoPictureError("image.too_many_pixels")
            longest = settings.longest_side
            if media_type == "image/jpeg":
                # Unpacked no larger than is needed.
                opened.draft(None, (longest, longest))
            image = _plain(ImageOps.exif_transpose(opened))
    except NoPictureError:
        raise
    except Image.DecompressionBombError:
        raise NoPictureError("image.too_many_pixels") from None
    except Exception:  # decoders raise whatever a broken file makes them stumble over
        raise NoPictureError("image.broken") from None
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _encoded(image, media_type, settings.max_round_bytes // max(settings.most, 1))


def _plain(image: Image.Image) -> Image.Image:
    """Eight bits a channel, colours or greys, with transparency where there is any."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("L", "RGB", "RGBA"):
        return image.copy()
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _encoded(image: Image.Image, media_type: str, room: int) -> Picture:
    """In the form it came in where that fits into `room` bytes, else as a JPEG that does."""
    # What `info` holds would be written again: profiles, comments.
    image.info.clear()
    if media_type in ("image/png", "image/gif"):
        data = _written(image, "PNG", optimize=False)
        if len(data) <= room:
            return Picture("image/png", *image.size, data)
    form, as_type = ("WEBP", "image/webp") if media_type == "image/webp" else ("JPEG", "image/jpeg")
    if form == "JPEG" and image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    for quality in _QUALITIES:
        data = _written(image, form, quality=quality)
        if len(data) <= room:
            return Picture(as_type, *image.size, data)
    raise NoPictureError("image.too_large")


def _written(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
