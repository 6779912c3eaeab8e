"""Which refusals of the API server are about one object or namespace alone, and which would befall every write."""

from typing import Any

import pytest

from daemon import metrics
from daemon.cluster import watches, writer
from daemon.status import dataobject
from daemon.stores import contents, model
from scheduler import errors

OBJECT = 'dataobjects.scheduler.thesis "photos" is forbidden:'


class Refusing:
    """An API server that takes nothing, in the words that real ones use."""

    def __init__(self, status: int, message: str) -> None:
        self._error = errors.DeniedError(status, "Forbidden" if status == 403 else "Unauthorized", message)

    async def patch(self, *_: object, **__: object) -> bytes:
        raise self._error


def body() -> dict[str, Any]:
    store = model.Store("tenant", "s", "u", "http://s", "", speaks_for="tenant")
    view = dataobject.View(store, contents.Listing("s3", {"photos": None}), "2026-01-02T03:04:05Z")
    (made,) = dataobject.to_create([], [view], "home")
    return made


def writing(status: int, message: str) -> writer.Writer:
    api: Any = Refusing(status, message)
    return writer.Writer(api, watches.Objects(), metrics.Metrics())


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            f"{OBJECT} exceeded quota: small, requested: count/dataobjects.scheduler.thesis=1, used: count=9",
            id="quota",
        ),
        pytest.param(
            f"{OBJECT} unable to create new content in namespace tenant because it is being terminated", id="its end"
        ),
        pytest.param('admission webhook "names.example.org" denied the request: no such names here', id="a webhook"),
        pytest.param(f"{OBJECT} ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", id="a policy"),
    ],
)
async def test_what_one_namespace_refuses_keeps_nothing_of_others_from_being_written(message: str) -> None:
    assert await writing(403, message).create(body()) is False


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(
            403,
            f'{OBJECT} User "system:serviceaccount:h:d" cannot patch resource "dataobjects" in API group '
            '"scheduler.thesis" in the namespace "tenant"',
            id="RBAC",
        ),
        pytest.param(401, "Unauthorized", id="the token"),
    ],
)
async def test_a_right_that_is_missing_is_told_as_such(status: int, message: str) -> None:
    with pytest.raises(errors.DeniedError):
        await writing(status, message).create(body())
