"""HTTPS, from files that may be replaced while the gateway runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from rostra.gateway.errors import GatewayError
from rostra.gateway.exposure import ExposureSettings
from rostra.gateway.file_watch import FileWatch

logger = logging.getLogger(__name__)

LOOK_INTERVAL = 1.0
"""Seconds from one look at the files to the next."""


class ServerTls:
    """`context` is for the listener, and stays; each handshake uses what was read last.

    Raises GatewayError where a file is wrong at first. Later, one that is wrong changes nothing.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        files = [cert, key] if client_ca is None else [cert, key, client_ca]
        self._watch = FileWatch(files)
        self._current = self._read()
        self.context = self._read()
        # A context can be given more authorities, but none can be taken from it; a connection can
        # be given another context.
        self.context.sni_callback = self._use_current

    @classmethod
    def of(cls, settings: ExposureSettings) -> ServerTls | None:
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)

    def look(self) -> None:
        """Takes in files that have changed."""
        if not self._watch.changed():
            return
        try:
            self._current = self._read()
        except GatewayError as error:
            logger.error("%s; the certificates read before stay in use until it is mended", error)
        else:
            logger.info("read the certificates again")

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            self.look()

    def _use_current(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A passphrase would be asked for at a terminal that a server does not have.
        _try(
            f"tls_cert {self._cert} with tls_key {self._key}",
            lambda: context.load_cert_chain(self._cert, self._key, password=lambda: b""),
        )
        if (client_ca := self._client_ca) is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            _try(
                f"tls_client_ca {client_ca}",
                lambda: context.load_verify_locations(cafile=client_ca),
            )
        return context


def _try(what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        reason = (error.reason or "it is no PEM").replace("_", " ").lower()
        raise GatewayError(f"cannot use {what}: {reason}") from None
    except OSError as error:
        raise GatewayError(f"cannot read {what}: {error.strerror}") from None
