"""Names of things, as values and as text: ``dataset:risk/tx@delta:412?role=train``. Pure.

One text form serves the wire, the command line and every index: ``KIND:NAMESPACE/NAME@VERSION?digest=…&role=…``.
In a part, ``%`` and the characters that separate parts are percent-encoded (RFC 3986, section 2.1; a lone surrogate
as its three bytes), so any Unicode travels and ``parse`` undoes ``format`` exactly. The first ``/`` ends the
namespace, so names may hold more of them: ``dataset:lake/raw/2026.csv``. A namespace may be a URI's scheme and
authority, as OpenLineage names stores, and ends at the ``/`` after these: ``dataset:hive://server:9083/db.table``.
Reading is lenient where nothing is lost: everything may be percent-encoded, and a further ``@`` belongs to the
version.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from modeltrail_schemas.surrogates import percent_encoded

DEFAULT_NAMESPACE = "default"
NAMES_REMEMBERED = 8_192

_RESERVED = re.compile(r"[%/@?&#\ud800-\udfff]")
_URI_NAMESPACE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(.*)", re.DOTALL)
_URI_PATH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/]*)/(.*)", re.DOTALL)
_RESERVED_IN_NAME = re.compile(r"[%@?&#\ud800-\udfff]")
_RESERVED_IN_VERSION = re.compile(r"[%?&#\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class JobName:
    """Which job; both parts empty when an event names none. Text form: ``NAMESPACE/NAME``."""

    namespace: str = ""
    name: str = ""

    def format(self) -> str:
        """Return the text form; empty for no job."""
        return _format_job(self)

    @classmethod
    def parse(cls, text: str) -> "JobName":
        """Return the job that ``text`` names. Raises ValueError where there is no ``/``."""
        return _parse_job(text)

    @property
    def ref(self) -> "EntityRef":
        """Return the job as a reference."""
        return EntityRef("job", self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class EntityRef:
    """A reference to a dataset or a model, or to one version of it. An empty part is not recorded.

    ``version`` is what the user or the store calls it, ``digest`` is ``algorithm:hex`` of its content, ``role`` is
    what a run used it for (``train``, ``test``, ``base``; the user's word).
    """

    kind: str = ""
    namespace: str = ""
    name: str = ""
    version: str = ""
    digest: str = ""
    role: str = ""

    @property
    def identity(self) -> str:
        """Return what tells this version from others: the version given, else the digest, else empty."""
        return self.version or self.digest

    @property
    def target(self) -> "EntityRef":
        """Return the same thing without digest and role: what equals across the events that mention it."""
        if not self.digest and not self.role:
            return self
        return EntityRef(self.kind, self.namespace, self.name, self.identity)

    @property
    def unversioned(self) -> "EntityRef":
        """Return the dataset or model that this is a version of."""
        return EntityRef(self.kind, self.namespace, self.name)

    def format(self) -> str:
        """Return the text form; empty for the reference to nothing."""
        return _format_ref(self)

    @classmethod
    def parse(cls, text: str) -> "EntityRef":
        """Return the reference that ``text`` writes. Raises ValueError where kind, ``:`` or ``/`` is missing."""
        return _parse_ref(text)


NO_ENTITY = EntityRef()
NO_JOB = JobName()


def parse_name(text: str, *, kind: str, version: str = "") -> EntityRef:
    """Return what a person means by ``[NAMESPACE/]NAME[@VERSION]``; without a namespace it is ``default``.

    An explicit ``version`` wins over one in the text. A ``%`` that encodes no character stands for itself.
    Raises ValueError when there is no name.
    """
    path, _, written = text.partition("@")
    namespace, name = map(_meant, _split_path(path if "/" in path else f"{DEFAULT_NAMESPACE}/{path}"))
    if not name:
        raise ValueError(f"no name in {text!r}: write NAMESPACE/NAME or NAMESPACE/NAME@VERSION")
    return EntityRef(kind, namespace, name, version or _meant(written))


@lru_cache(maxsize=NAMES_REMEMBERED)
def display_name(ref: EntityRef) -> str:
    """Return ``[NAMESPACE/]NAME[@VERSION]``, the namespace left out when it is ``default``; undone by parse_name."""
    text = ref.target.format().partition(":")[2]
    short = text.removeprefix(f"{DEFAULT_NAMESPACE}/")
    return text if "/" in short.partition("@")[0] else short


@lru_cache(maxsize=NAMES_REMEMBERED)
def _format_job(job: JobName) -> str:
    return _format_path(job.namespace, job.name) if job.namespace or job.name else ""


@lru_cache(maxsize=NAMES_REMEMBERED)
def _parse_job(text: str) -> JobName:
    if not text:
        return NO_JOB
    if "/" not in text:
        raise ValueError(f"not a job's name: {text!r}")
    return JobName(*_parse_path(text))


@lru_cache(maxsize=NAMES_REMEMBERED)
def _format_ref(ref: EntityRef) -> str:
    if ref == NO_ENTITY:
        return ""
    text = f"{ref.kind}:{_format_path(ref.namespace, ref.name)}"
    if ref.version:
        text += f"@{_escape(ref.version, _RESERVED_IN_VERSION)}"
    about = [f"{key}={_escape(value)}" for key, value in (("digest", ref.digest), ("role", ref.role)) if value]
    return f"{text}?{'&'.join(about)}" if about else text


@lru_cache(maxsize=NAMES_REMEMBERED)
def _parse_ref(text: str) -> EntityRef:
    if not text:
        return NO_ENTITY
    path, _, query = text.partition("?")
    path, _, version = path.partition("@")
    kind, colon, path = path.partition(":")
    if not colon or "/" not in path:
        raise ValueError(f"not a reference: {text!r}")
    about = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
    digest, role = _unescape(about.get("digest", "")), _unescape(about.get("role", ""))
    return EntityRef(kind, *_parse_path(path), _unescape(version), digest, role)


def _format_path(namespace: str, name: str) -> str:
    uri = _URI_NAMESPACE.fullmatch(namespace)
    escaped = f"{uri[1]}{_escape(uri[2])}" if uri else _escape(namespace)
    path = _escape(name, _RESERVED_IN_NAME)
    if path.startswith("/") and escaped.endswith(":"):
        path = "%2F" + path[1:]  # else the two would read as a URI
    return f"{escaped}/{path}"


def _parse_path(path: str) -> tuple[str, str]:
    namespace, name = _split_path(path)
    return _unescape(namespace), _unescape(name)


def _split_path(path: str) -> tuple[str, str]:
    uri = _URI_PATH.fullmatch(path)
    namespace, _, name = (uri[1], "/", uri[2]) if uri else path.partition("/")
    return namespace, name


def _escape(part: str, reserved: re.Pattern[str] = _RESERVED) -> str:
    return reserved.sub(percent_encoded, part)


def _unescape(part: str) -> str:
    return unquote_to_bytes(part).decode("utf-8", "surrogatepass") if "%" in part else part


def _meant(part: str) -> str:
    try:
        return _unescape(part)
    except UnicodeError:
        return part
