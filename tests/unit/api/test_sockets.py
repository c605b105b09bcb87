"""Transport faults on real sockets: only what provably never left counts as not sent."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_esimgo.api import (
    ApiError,
    EsimGoClient,
    NotSentError,
    OrderLine,
    OrderRequest,
    Timeout,
    UnknownOutcomeError,
)

REQUEST = OrderRequest((OrderLine("b", 1),))
BODY = json.dumps({"orderReference": "r-1", "status": "completed"}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def nothing(connection: socket.socket, _: bytes) -> None:
    connection.close()


def reset(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_a_head(connection: socket.socket, _: bytes) -> None:
    connection.sendall(HEAD[:20])
    connection.close()


def half_a_body(connection: socket.socket, _: bytes) -> None:
    connection.sendall(HEAD + BODY[:10])
    connection.close()


def half_a_chunk(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + BODY)
    connection.close()


def garbage(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"\x00\x01\x02 not http\r\n\r\n")
    connection.close()


def never(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


def bad_gzip(connection: socket.socket, _: bytes) -> None:
    connection.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") + BODY)


def broken_redirect(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://[broken\r\nContent-Length: 0\r\n\r\n")


def good(connection: socket.socket, _: bytes) -> None:
    connection.sendall(HEAD + BODY)


def buyer(url: str, **options: Any) -> EsimGoClient:
    session = requests.Session()
    session.trust_env = False
    options = {"timeout": Timeout(2, 0.2), "session": session, "sleep": lambda _: None, **options}
    return EsimGoClient(url, "k", **options)


@pytest.mark.parametrize(
    "answer",
    [nothing, reset, half_a_head, half_a_body, half_a_chunk, garbage, never, bad_gzip, broken_redirect],
)
def test_whatever_breaks_after_sending_is_unknown_and_sent_once(
    answer: Callable[[socket.socket, bytes], None], serve: Any
) -> None:
    server = serve(answer)
    with pytest.raises(UnknownOutcomeError):
        buyer(server.url).place_order(REQUEST)
    assert len(server.requests) == 1


def test_a_refused_port_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSentError, match="refused") as caught:
        buyer(f"http://127.0.0.1:{port}/v2.5").place_order(REQUEST)
    assert caught.value.status is None


def test_an_unknown_host_is_not_sent() -> None:
    with pytest.raises(NotSentError):
        buyer("http://no-such-host.invalid/v2.5").place_order(REQUEST)


def test_tls_with_a_plain_port_is_not_sent_for_the_handshake_never_ended(serve: Any) -> None:
    server = serve(garbage)
    with pytest.raises(NotSentError):
        buyer(server.url.replace("http:", "https:")).place_order(REQUEST)
    assert b"X-API-Key" not in b"".join(server.requests)


def test_a_proxy_that_refuses_the_tunnel_is_not_sent_but_one_that_swallows_the_order_is_unknown(
    serve: Any,
) -> None:
    refusing = serve(lambda c, _: c.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    session = requests.Session()
    session.trust_env = False
    proxy = refusing.url.removesuffix("/v2.5")
    session.proxies = {"https": proxy, "http": proxy}
    with pytest.raises(NotSentError):
        buyer("https://api.esim-go.test/v2.5", session=session).place_order(REQUEST)
    swallowing = serve(nothing)
    session.proxies = {"http": swallowing.url.removesuffix("/v2.5")}
    with pytest.raises(UnknownOutcomeError):
        buyer("http://api.esim-go.test/v2.5", session=session).place_order(REQUEST)
    assert len(swallowing.requests) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    x509 = pytest.importorskip("cryptography.x509")
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    path.write_bytes(pem + made.public_bytes(forms.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("trusted", "answer", "kind"),
    [(False, HEAD + BODY, NotSentError), (True, b"", UnknownOutcomeError), (True, HEAD + BODY, None)],
)
def test_inside_a_tunnel_a_bad_certificate_is_not_sent_and_a_lost_reply_unknown(
    trusted: bool, answer: bytes, kind: type[ApiError] | None, certificate: Path, serve: Any
) -> None:
    inside: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def tunnel(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            inside.append(secure.recv(65536))
            secure.sendall(answer)

    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": serve(tunnel).url.removesuffix("/v2.5")}
    session.verify = str(certificate) if trusted else True
    client = buyer("https://localhost/v2.5", session=session)
    if kind is None:
        assert client.place_order(REQUEST).reference == "r-1"
    else:
        with pytest.raises(kind):
            client.place_order(REQUEST)
    assert len([request for request in inside if request]) == trusted


def test_a_dead_proxy_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": f"http://127.0.0.1:{port}", "https": f"http://127.0.0.1:{port}"}
    for scheme in ("http", "https"):
        with pytest.raises(NotSentError):
            buyer(f"{scheme}://api.esim-go.test/v2.5", session=session).place_order(REQUEST)


def test_a_purchase_travels_on_a_connection_of_its_own(serve: Any) -> None:
    server = serve(good)
    client = buyer(server.url)
    client.get_order("r-1")
    client.get_order("r-1")
    assert server.connections == 1
    client.place_order(REQUEST)
    client.place_order(REQUEST)
    assert server.connections == 3
    client.get_order("r-1")
    assert server.connections == 3


def test_an_idle_connection_closed_by_the_server_does_not_make_an_order_unknown(serve: Any) -> None:
    def once(connection: socket.socket, request: bytes) -> None:
        good(connection, request)
        connection.close()

    server = serve(once)
    client = buyer(server.url)
    client.get_order("r-1")
    assert client.place_order(REQUEST).reference == "r-1"


def test_a_read_gets_over_a_broken_connection(serve: Any) -> None:
    answers = iter([nothing, half_a_body, reset, good])
    server = serve(lambda connection, request: next(answers)(connection, request))  # noqa: PLW0108
    assert buyer(server.url).get_order("r-1").reference == "r-1"
    assert len(server.requests) == 4


def test_no_redirect_is_followed_so_the_key_stays_home(serve: Any) -> None:
    elsewhere = serve(good)
    moved = (
        f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/orders/r-1\r\nContent-Length: 0\r\n\r\n".encode()
    )
    server = serve(lambda connection, _: connection.sendall(moved))
    client = buyer(server.url)
    for act in (lambda: client.get_order("r-1"), lambda: client.place_order(REQUEST)):
        with pytest.raises(ApiError, match="redirect"):
            act()
    assert elsewhere.connections == 0
