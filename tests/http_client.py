"""A small HTTP client for tests: what is answered, whatever the status."""

import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple

TIMEOUT_S = 60
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # who is asked runs here, whatever the proxy


class Answer(NamedTuple):
    """Status, body as text, headers."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.text)


def get(url: str) -> Answer:
    """Return what GET answers; status 0 when nobody listens."""
    return _ask(urllib.request.Request(url))


def post(url: str, body: bytes, **headers: str) -> Answer:
    """Return what POST of a JSON body answers."""
    return _ask(urllib.request.Request(url, body, {"Content-Type": "application/json"} | headers))


def _ask(request: urllib.request.Request) -> Answer:
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as response:
            return Answer(response.status, response.read().decode(), dict(response.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(), dict(error.headers))
    except OSError:
        return Answer(0, "", {})
