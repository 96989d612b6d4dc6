"""TLS of gRPC: certificates from files, which are read again when they change."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from rostra.gateway.errors import GatewayError

logger = logging.getLogger(__name__)

_PEM = b"-----BEGIN "

_WORDS = (
    ("Hostname Verification Check failed", "its certificate is for another name than {name}"),
    ("certificate has expired", "its certificate has expired"),
    ("certificate is not yet valid", "its certificate is not valid yet"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is of an authority that is not trusted here"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
)


@dataclass(frozen=True)
class ListenerTls:
    """What a server proves itself by, and whom it believes."""

    cert: Path
    """A chain of certificates in PEM, the server's own first."""
    key: Path
    client_ca: Path | None = None
    """Callers need a certificate of one of these authorities. None: they need none."""

    def credentials(self) -> grpc.ServerCredentials:
        """Of a server that serves each new connection by the files as they are then.

        A change that cannot be read is logged, and the certificates before it stay. Raises
        GatewayError where they cannot be read to begin with.
        """
        reading = _Reading(self, _state(self._paths))
        first = self._configuration()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            """None: as before."""
            state = _state(self._paths)
            if state == reading.state:
                return None
            reading.state = state
            try:
                fresh = self._configuration()
            except GatewayError as error:
                logger.error("the certificates before stay in use: %s", error)
                return None
            logger.info("serving by the new certificate in %s", self.cert)
            return fresh

        return grpc.dynamic_ssl_server_credentials(
            first,
            # gRPC's own text says that it may return None; its stubs do not.
            fetch,  # type: ignore[arg-type]
            require_client_authentication=self.client_ca is not None,
        )

    @property
    def _paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cert, self.key, self.client_ca) if path is not None)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (_pem(self.key, "tls_key"), _pem(self.cert, "tls_cert"))
        _check_pair(self.cert, self.key)
        trusted = None if self.client_ca is None else _authorities(self.client_ca, "tls_client_ca")
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=trusted)


@dataclass
class _Reading:
    of: ListenerTls
    state: tuple[object, ...]


@dataclass(frozen=True)
class CallerTls:
    """Whom a caller of gRPC servers believes, and what it proves itself by."""

    ca: Path | None = None
    """Authorities to trust. None: those that gRPC brings along."""
    cert: Path | None = None
    """A chain in PEM, for servers that want one of their callers."""
    key: Path | None = None
    server_name: str | None = None
    """What servers' certificates are to be for. None: the host that is called."""

    def credentials(self) -> grpc.ChannelCredentials:
        """By the files as they are now. Raises GatewayError where they cannot be read."""
        if self.cert is not None and self.key is not None:
            _check_pair(self.cert, self.key)
        return grpc.ssl_channel_credentials(
            root_certificates=None if self.ca is None else _authorities(self.ca, "ca"),
            private_key=None if self.key is None else _pem(self.key, "key"),
            certificate_chain=None if self.cert is None else _pem(self.cert, "cert"),
        )

    def options(self) -> list[tuple[str, str]]:
        """Of a channel."""
        if self.server_name is None:
            return []
        return [("grpc.ssl_target_name_override", self.server_name)]

    def state(self) -> tuple[object, ...]:
        """Another one after the files have changed."""
        return _state(tuple(path for path in (self.ca, self.cert, self.key) if path is not None))


def explain(details: str, address: str, tls: CallerTls | None) -> str:
    """What gRPC says of a connection that could not be made, in words."""
    name = (tls and tls.server_name) or address.rpartition(":")[0].strip("[]")
    for mark, words in _WORDS:
        if mark in details:
            return words.format(name=name)
    if "Socket closed" in details or "Connection reset" in details:
        if tls is None:
            return f"it closed the connection, as a server does that wants TLS ({details})"
        if tls.cert is None:
            return f"it closed the connection, as one does that wants a certificate ({details})"
        return f"it closed the connection, as one does that refuses a certificate ({details})"
    return details


def _state(paths: tuple[Path, ...]) -> tuple[object, ...]:
    found: list[object] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _pem(path: Path, setting: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GatewayError(f"cannot read {setting} {path}: {error.strerror}") from None
    if _PEM not in content:
        raise GatewayError(f"{setting} {path} holds nothing in PEM")
    return content


def _authorities(path: Path, setting: str) -> bytes:
    content = _pem(path, setting)
    try:
        # gRPC takes what it cannot read for an empty list, and then refuses everybody.
        ssl.create_default_context(cadata=content.decode())
    except (ssl.SSLError, UnicodeDecodeError):
        raise GatewayError(f"{setting} {path} holds no certificates in PEM") from None
    return content


def _check_pair(cert: Path, key: Path) -> None:
    """Raises GatewayError where they do not belong together, as half way through a change."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise GatewayError(
            f"the certificate {cert} and the key {key} are no pair that can be used: {why}"
        ) from None
