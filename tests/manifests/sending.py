"""Requests to an API server with somebody's own token, as that somebody would send them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import pathlib
import ssl
from collections.abc import Callable
from typing import Any

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"

Answer = tuple[int, str]
Send = Callable[..., Answer]


def sender(kubeconfig: pathlib.Path) -> Send:
    """A function that sends one request as the kubeconfig's user, and returns the status and the server's words."""
    config = json.loads(kubeconfig.read_text())
    where = config["clusters"][0]["cluster"]
    address = where["server"].removeprefix("https://")
    authority = base64.b64decode(where["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    authorization = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    def send(method: str, path: str, body: Any = None, kind: str = "application/json") -> Answer:
        with contextlib.closing(http.client.HTTPSConnection(address, timeout=30, context=context)) as connection:
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, data, {**authorization, "Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, str(json.load(answer).get("message", ""))

    return send
