"""A store with TLS that never says goodbye: no connection to it outlives the answer that was asked for."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator

import pytest

from daemon.stores import contents, credentials, model
from daemon.stores.s3 import answers, client
from localcluster import certificates

LIMITS = contents.Limits(timeout_s=1.0)
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n<Error>"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[model.Store, str]]:
    """A server that begins an answer and never looks at the connection again, and the authority that it is from."""
    authority = certificates.Authority()
    made = authority.issue()
    file = tmp_path_factory.mktemp("server") / "server.pem"
    file.write_text(made.pem + made.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    is_done = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(REFUSAL)
            is_done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        endpoint = f"https://127.0.0.1:{listening.getsockname()[1]}"
        yield model.Store("storage", "store", "uid", endpoint, ""), authority.pem
        is_done.set()
        serving.join()


@pytest.mark.parametrize("is_read", [pytest.param(False, id="unread"), pytest.param(True, id="never whole")])
def test_a_connection_whose_answer_was_not_taken_whole_is_cut(store: tuple[model.Store, str], *, is_read: bool) -> None:
    server, ca_pem = store

    async def ask() -> None:
        async with client.Client(server, LIMITS, credentials.Access(None, ca_pem)) as s3:
            budget = client.Budget(LIMITS)
            if is_read:
                await s3.read("bucket", {}, answers.Page(), "ListBucketResult", budget=budget)
            else:
                assert not await s3.answers_at("/health", budget=budget)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(ask())  # a loop that ends with what it has
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
