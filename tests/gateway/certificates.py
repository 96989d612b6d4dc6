"""Authorities and certificates, made where a test needs them."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Pair:
    """Paths of a certificate and its key."""

    cert: Path
    key: Path

    def settings(self, prefix: str = "") -> dict[str, Path]:
        return {f"{prefix}cert": self.cert, f"{prefix}key": self.key}

    def become(self, other: Pair) -> None:
        """As when certificates are renewed: the files are replaced."""
        for old, new in ((self.key, other.key), (self.cert, other.cert)):
            fresh = old.with_suffix(".fresh")
            fresh.write_bytes(new.read_bytes())
            os.replace(fresh, old)


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.path = folder / f"{name}.pem"
        certificate = self._sign(self._name, self._key, x509.BasicConstraints(True, None))
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, file: str, host: str = LOOPBACK, *, days: int = 1) -> Pair:
        """For a host's name or address; with negative days one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            known = x509.DNSName(host)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)])
        extension = x509.SubjectAlternativeName([known])
        pair = Pair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        certificate = self._sign(name, key, extension, days)
        pair.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: x509.ExtensionType,
        days: int = 1,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        )
        return builder.sign(self._key, hashes.SHA256())
