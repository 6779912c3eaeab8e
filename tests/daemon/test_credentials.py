"""What is read of a Secret, what is said of one that cannot be used, and what keeps a store from being asked."""

import base64
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from daemon.stores import addresses, contents, credentials, model
from scheduler import errors

NOBODY: Any = None  # an API server that must not be asked


def encoded(**data: str) -> dict[str, str]:
    return {key.replace("__", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"accessKey": "who", "secretKey": "hush"}, id="ours"),
        pytest.param({"accessKey": "who\n", "secretKey": " hush "}, id="from files that end in a line break"),
        pytest.param({"rootUser": "who", "rootPassword": "hush", "users": "x"}, id="MinIO's chart"),
        pytest.param({"root__user": "who", "root__password": "hush"}, id="Bitnami's chart"),
        pytest.param({"access__key": "who", "secret__key": "hush"}, id="with hyphens"),
        pytest.param({"accesskey": "who", "secretkey": "hush"}, id="MinIO's operator"),
        pytest.param({"CONSOLE_ACCESS_KEY": "who", "CONSOLE_SECRET_KEY": "hush"}, id="a user of the operator's"),
        pytest.param({"MINIO_ROOT_USER": "who", "MINIO_ROOT_PASSWORD": "hush"}, id="MinIO's environment"),
        pytest.param({"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "hush"}, id="AWS"),
        pytest.param(
            {"accessKey": "who", "secretKey": "hush", "rootUser": "who", "rootPassword": "hush"}, id="twice the same"
        ),
        pytest.param({"accessKey": "who", "secretKey": "hush", "rootUser": "other"}, id="a whole pair and a half"),
    ],
)
def test_secrets_are_taken_as_others_make_them(data: dict[str, str]) -> None:
    assert credentials.parse(encoded(**data)) == contents.Credentials("who", "hush")


@pytest.mark.parametrize(
    ("data", "token"),
    [
        pytest.param({"accessKey": "who", "secretKey": "hush", "sessionToken": "lent"}, "lent", id="ours"),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "lent"}, "lent", id="AWS"
        ),
        pytest.param({"accessKey": "who", "secretKey": "hush", "sessionToken": ""}, "", id="an empty one is none"),
    ],
)
def test_session_tokens_are_taken(data: dict[str, str], token: str) -> None:
    found = credentials.parse(encoded(**data))
    assert isinstance(found, contents.Credentials)
    assert found.session_token == token
    assert "lent" not in repr(found)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param({}, "must hold accessKey and secretKey, as text", id="empty"),
        pytest.param({"accessKey": "hush"}, "of those it has accessKey", id="half a pair"),
        pytest.param({"rootUser": "hush", "secretKey": "hush"}, "it has secretKey, rootUser", id="two halves"),
        pytest.param({"accessKey": "hush", "secretKey": ""}, "where secretKey is empty or no text", id="nothing in it"),
        pytest.param({"config.env": "hush", "token": "hush"}, "it has config.env, token, which mean", id="other keys"),
        pytest.param(
            {"accessKey": "a", "secretKey": "hush", "rootUser": "b", "rootPassword": "hush"},
            "different credentials under accessKey, secretKey, rootUser, rootPassword",
            id="two that differ",
        ),
        pytest.param(
            {"accessKey": "a", "secretKey": "b", "sessionToken": "hush", "AWS_SESSION_TOKEN": "hush2"},
            "different credentials under accessKey, secretKey, sessionToken, AWS_SESSION_TOKEN",
            id="two tokens",
        ),
    ],
)
def test_a_secret_that_cannot_be_used_is_told_by_its_keys_alone(data: dict[str, str], words: str) -> None:
    said = credentials.parse(encoded(**data))
    assert isinstance(said, str)
    assert words in said
    assert "hush" not in said


@hypothesis.given(st.dictionaries(st.text(max_size=300), st.text(max_size=30) | st.just("aHVzaA=="), max_size=40))
def test_any_secret_gives_credentials_or_one_short_sentence(data: dict[str, str]) -> None:
    found = credentials.parse(data)
    assert isinstance(found, contents.Credentials) or len(found) < 500


def store(**more: Any) -> model.Store:
    return model.Store("tenant", "s", "u", more.pop("endpoint", "http://s:9000"), "", **more)


async def test_a_store_whose_pod_is_not_ready_is_not_asked() -> None:
    found = await credentials.read(NOBODY, store(waits_for="its pod tenant/p on this node is not ready"))
    assert isinstance(found, contents.Failure)
    assert (found.reason, "tenant/p on this node is not ready" in found.message) == (contents.POD_NOT_READY, True)


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "[::1]", "2130706433"])
async def test_an_endpoint_that_must_not_be_asked_is_refused_before_anybody_is(host: str) -> None:
    found = await credentials.read(NOBODY, store(endpoint=f"http://{host}:80", guard=addresses.Guard()))
    assert isinstance(found, contents.Failure)
    assert (found.reason, "allowedEndpoints" in found.message) == ("EndpointRefused", True)


async def test_what_an_administrator_wrote_is_asked_wherever_it_is() -> None:
    assert await credentials.read(NOBODY, store(endpoint="http://127.0.0.1:80")) == credentials.Access()


class Closed:
    """An API server whose RBAC shows nothing."""

    async def get(self, *_: object, **__: object) -> bytes:
        raise errors.DeniedError(403, "Forbidden", "no")


async def test_whoever_opens_a_secret_of_our_own_namespace_is_sent_to_the_role_that_names_it() -> None:
    """The Role for other namespaces names nothing: there it would open the webhook's keys as well."""
    api: Any = Closed()
    found = await credentials.read(api, model.Store("home", "s", "u", "http://s:9000", "reader"))
    assert isinstance(found, contents.Failure)
    assert found.reason == "SecretDenied"
    assert "in the daemons' own namespace store-access-home.yaml" in found.message
