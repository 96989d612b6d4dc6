"""`rostra mesh status` of a gateway behind HTTPS."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from rostra.mesh.cli.mesh_status import Gateway, HttpsFiles
from rostra.mesh.errors import RostraError


class Members(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"gateway_version": "0.1.0", "members": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> HttpsFiles:
    """Of a caller."""
    made = HttpsFiles(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    mine = authority.issue_cert("operator.example")
    authority.cert_pem.write_to_path(made.ca)
    mine.cert_chain_pems[0].write_to_path(made.cert)
    mine.private_key_pem.write_to_path(made.key)
    return made


@pytest.fixture
def url(authority: trustme.CA) -> Iterator[str]:
    """That of a gateway which asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), Members)
    # The handshake is the thread's that answers, so that one that fails does not end the server.
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_gateway_of_an_authority_of_ones_own(url: str, files: HttpsFiles) -> None:
    assert Gateway(url, https=files).members()["members"] == []


@pytest.mark.parametrize("given", ["nothing", "ca"])
def test_what_it_cannot_be_reached_without(url: str, files: HttpsFiles, given: str) -> None:
    less = HttpsFiles(files.ca if given == "ca" else None)
    with pytest.raises(RostraError, match="cannot reach a gateway at https://"):
        Gateway(url, https=less).members()


def test_a_gateway_of_another_authority(url: str, files: HttpsFiles) -> None:
    assert files.ca is not None
    trustme.CA().cert_pem.write_to_path(files.ca)
    with pytest.raises(RostraError, match="CERTIFICATE_VERIFY_FAILED"):
        Gateway(url, https=files).members()


def test_files_that_are_of_no_use(tmp_path: Path, files: HttpsFiles) -> None:
    text = tmp_path / "text"
    text.write_text("no certificate")
    for url, given, words in (
        ("http://127.0.0.1:9", files, "--ca, --cert, --key without TLS: write --gateway https://"),
        ("https://127.0.0.1:9", HttpsFiles(cert=files.cert), "belong together"),
        ("https://127.0.0.1:9", HttpsFiles(ca=tmp_path / "none"), "cannot read --ca"),
        ("https://127.0.0.1:9", HttpsFiles(ca=text), "it is no PEM"),
        ("https://127.0.0.1:9", HttpsFiles(cert=files.cert, key=files.cert), "cannot be used"),
    ):
        with pytest.raises(RostraError, match=words) as raised:
            Gateway(url, https=given).members()
        assert "\n" not in str(raised.value)
