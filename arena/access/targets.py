"""Where a login may lead back to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HOME = "/"
_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def safe(target: str) -> str:
    """`target` if it is a path of this server, with its query, else the first page.

    Browsers read `//host`, `/\\host` and a tab between slashes as another server's address.
    """
    if not _PATH.fullmatch(target) or len(target) > 2000:
        return HOME
    parts = urlsplit(target)
    leads_to_login = parts.path.split("/")[-1] in ("login", "logout")
    return HOME if parts.scheme or parts.netloc or leads_to_login else target
