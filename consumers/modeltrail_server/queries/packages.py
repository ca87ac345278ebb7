"""Which environments hold a package: they are few, and each is described once, so all are looked through.

No index tells it. An environment's describing event is fetched as bytes; it is decoded only where the version asked
for stands in those bytes at all.
"""

import re
from dataclasses import dataclass

from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.snapshot import Snapshot

PREFIX = "package:"
MAX_ENVIRONMENTS = 5_000
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class Package:
    """A package, of one version or of any."""

    name: str
    version: str = ""

    @property
    def text(self) -> str:
        """Return the name that means this."""
        return f"{PREFIX}{self.name}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments that hold a package, with the version each holds; ``complete``: all were looked through."""

    holding: dict[EntityRef, str]
    looked_at: int
    complete: bool


def parse_package(text: str) -> Package | None:
    """Return the package that ``package:NAME[@VERSION]`` names; ``==`` does too. None where it is no such name."""
    if not text.startswith(PREFIX):
        return None
    name, _, version = text.removeprefix(PREFIX).replace("==", "@", 1).partition("@")
    return Package(name.strip(), version.strip())


def normal_name(name: str) -> str:
    """Return a package's name as it is compared (PEP 503): ``Scikit_Learn`` is ``scikit-learn``."""
    return _SEPARATORS.sub("-", name).lower()


def find_environments(snapshot: Snapshot, package: Package, *, limit: int = MAX_ENVIRONMENTS) -> Environments:
    """Return the environments that hold ``package``, having looked at ``limit`` of them."""
    rows = snapshot.entities_of_kind("environment", limit=limit + 1)
    refs = {row.entity_key: EntityRef(row.kind, row.namespace, row.name) for row in rows[:limit]}
    wanted = normal_name(package.name)
    holding: dict[EntityRef, str] = {}
    digests = {ref.name: ref for ref in refs.values()}
    for stored in snapshot.events_naming_first(refs, containing=package.version.encode()):
        environment = stored.event.environment
        if environment is None or environment.digest not in digests:
            continue
        for name, version in environment.packages.items():
            if normal_name(name) == wanted and package.version in ("", version):
                holding[digests[environment.digest]] = version
    return Environments(holding, len(refs), complete=len(rows) <= limit)
