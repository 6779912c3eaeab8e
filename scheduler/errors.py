"""Every exception this project raises on purpose.

    LocalityError
    ├── InputError            a value somebody wrote is not usable: names key, value and remedy
    ├── PluginError           a plugin from outside tripped over something: names it, and what it raised
    ├── DoorError             a running scheduler could not be asked, or did not answer: says why and what to do
    ├── LostError             this process led and does not any longer, so that it has to end
    └── ApiError              the API server (or the way to it) did not do what was asked
        ├── UnreachableError  no answer: refused, timed out, broken off; the outcome is unknown
        ├── FencedError       not sent, as this process may not write now: another one leads, or may soon
        ├── GoneError         410: the resourceVersion is too old, list again
        ├── ConflictError     409: exists already, or changed meanwhile
        ├── NotFoundError     404
        ├── DeniedError       401 or 403: credentials or RBAC
        └── ThrottledError    429, or any answer with Retry-After

That a node or a pod is refused is not an exception but a value (scheduler.engine.verdict).
"""

from __future__ import annotations


class LocalityError(Exception):
    """Base of all errors that this project raises on purpose."""


class InputError(LocalityError):
    """A value in a manifest, annotation, configuration or custom resource cannot be used.

    Args:
        where: What holds the value, for example an annotation key, a file or a field path.
        value: The value as found; shortened for display.
        remedy: What is wrong with it and what to write instead.
        parts: Where one stands for several of a file: these.
    """

    def __init__(self, where: str, value: object, remedy: str, parts: tuple[InputError, ...] = ()) -> None:
        self.where = where
        self.value = shorten(value)
        self.remedy = remedy
        self.parts = parts
        super().__init__(f"{where}: {self.value}: {remedy}")

    def at(self, where: str) -> InputError:
        """The same refusal with a better name for what holds the value."""
        moved = InputError(where, "", self.remedy)
        moved.value = self.value
        moved.args = (f"{where}: {self.value}: {self.remedy}",)
        return moved

    def retold(self, remedy: str) -> InputError:
        """The same refusal in better words."""
        told = InputError(self.where, "", remedy)
        told.value = self.value
        return told.at(self.where)


class PluginError(LocalityError):
    """A plugin from outside raised what it must not, or gave what cannot be used.

    Args:
        plugin: Its name.
        defect: What it raised.
    """

    def __init__(self, plugin: str, defect: Exception) -> None:
        super().__init__(f'running plugin "{plugin}": {type(defect).__name__}: {shorten(str(defect))}')


class DoorError(LocalityError):
    """A person's command did not get its answer from a running scheduler.

    Args:
        message: Why, and what to do.
        status: The HTTP status, or 0 where no answer came.
        leader: The pod of the replica that would know; "" if that is not it.
    """

    def __init__(self, message: str, status: int = 0, leader: str = "") -> None:
        self.status = status
        self.leader = leader
        super().__init__(message)


class LostError(LocalityError):
    """This process led, and does not any longer."""


class ApiError(LocalityError):
    """An API request failed.

    Args:
        status: The HTTP status, or 0 when no answer came.
        reason: The machine-readable reason of the Status object, such as "Conflict".
        message: The server's words.
        retry_after_s: How long the server asked to wait, in seconds; 0 if it did not say.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after_s: float = 0.0) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")


class UnreachableError(ApiError):
    """No answer came back, so whether the request took effect is unknown."""


class FencedError(ApiError):
    """The write was not sent: this process does not lead, or may not for much longer."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeading", "this process does not lead, so that it writes nothing")


class GoneError(ApiError):
    """The requested resourceVersion is no longer kept (410)."""


class ConflictError(ApiError):
    """The object exists already or changed meanwhile (409)."""


class NotFoundError(ApiError):
    """There is no such object or resource (404)."""


class DeniedError(ApiError):
    """The credentials are not accepted, or RBAC does not allow the request (401, 403)."""


class ThrottledError(ApiError):
    """The server asks to slow down (429)."""


def shorten(value: object, limit: int = 80) -> str:
    """Quote a value for a message: at most ``limit`` characters, control characters escaped."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # of an int with thousands of digits, which Python refuses to print
        text = "a very large number"
    if len(text) > limit:
        text = f"{text[:limit]}... ({len(text)} characters)"
    if not text.isprintable():
        text = text.encode("unicode_escape").decode("ascii")
    return f'"{text}"'
