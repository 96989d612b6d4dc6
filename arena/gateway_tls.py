"""How the arena checks an `https` gateway, and shows who it is itself."""

from __future__ import annotations

import ssl

from rostra.arena.errors import ArenaError
from rostra.arena.settings import ArenaSettings


def gateway_tls(settings: ArenaSettings) -> ssl.SSLContext | bool:
    """True: by the system's certificates. Raises `ArenaError` where a file is missing or is none of
    its kind."""
    if settings.gateway_ca is None and settings.gateway_cert is None:
        return True
    try:
        context = ssl.create_default_context(cafile=settings.gateway_ca)
    except (OSError, ssl.SSLError) as error:
        reason = _reason(error)
        raise ArenaError(f"cannot use gateway_ca {settings.gateway_ca}: {reason}") from None
    if settings.gateway_cert is not None:
        try:
            context.load_cert_chain(
                settings.gateway_cert, settings.gateway_cert_key, password=lambda: b""
            )
        except (OSError, ssl.SSLError) as error:
            raise ArenaError(
                f"cannot use gateway_cert {settings.gateway_cert} with gateway_cert_key "
                f"{settings.gateway_cert_key}: {_reason(error)}"
            ) from None
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no PEM").replace("_", " ").lower()
    return error.strerror or "it cannot be read"
