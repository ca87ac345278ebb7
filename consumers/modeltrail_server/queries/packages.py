"""Which environments hold a package: they are few, and each is described once, so all are looked through.

No index tells it. An environment's describing event is fetched as bytes; it is decoded only where the version asked
for stands in those bytes at all; for a range of versions, all are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.errors import PackageNameError
from modeltrail_server.queries.snapshot import Snapshot

PREFIX = "package:"
MAX_ENVIRONMENTS = 5_000
_SEPARATORS = re.compile(r"[-_.]+")
_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:@\s*(.*?)|((?:[<>=!~]).*?))?\s*", re.DOTALL)
_EXACT = re.compile(r"==\s*([^\s*,<>=!~]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """A package: of one version, of those that a ``specifier`` (PEP 440) lets through, or of any."""

    name: str
    version: str = ""
    specifier: str = ""

    @property
    def text(self) -> str:
        """Return the name that means this."""
        return f"{PREFIX}{self.name}" + (f"@{self.version}" if self.version else self.specifier)


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments that hold a package, with the version each holds; ``complete``: all were looked through.

    ``others`` are versions that environments hold and that were not asked for; ``unreadable`` those of them that are
    no versions by PEP 440, so that no range tells whether they are within.
    """

    holding: dict[EntityRef, str]
    looked_at: int
    complete: bool
    others: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def parse_package(text: str) -> Package | None:
    """Return the package that ``package:NAME`` names, or ``NAME@VERSION``, ``NAME==VERSION``, ``NAME<1.22,>=1.20``.

    None where it is no such name. Raises PackageNameError for what is no name, or no specifier by PEP 440.
    """
    if not text.startswith(PREFIX):
        return None
    match = _NAMED.fullmatch(text.removeprefix(PREFIX))
    if match is None:
        raise PackageNameError(text, "no name of a package stands there")
    name, version, specifier = match[1], match[2] or "", match[3] or ""
    if exact := _EXACT.fullmatch(specifier):
        return Package(name, exact[1])
    package = Package(name, version, "".join(specifier.split()))
    _matcher(package)
    return package


def normal_name(name: str) -> str:
    """Return a package's name as it is compared (PEP 503): ``Scikit_Learn`` is ``scikit-learn``."""
    return _SEPARATORS.sub("-", name).lower()


def find_environments(snapshot: Snapshot, package: Package, *, limit: int = MAX_ENVIRONMENTS) -> Environments:
    """Return the environments that hold ``package``, having looked at ``limit`` of them."""
    rows = snapshot.entities_of_kind("environment", limit=limit + 1)
    refs = {row.entity_key: EntityRef(row.kind, row.namespace, row.name) for row in rows[:limit]}
    wanted, is_meant = normal_name(package.name), _matcher(package)
    holding: dict[EntityRef, str] = {}
    others: dict[str, bool | None] = {}
    digests = {ref.name: ref for ref in refs.values()}
    for stored in snapshot.events_naming_first(refs, containing=package.version.encode()):
        environment = stored.event.environment
        if environment is None or environment.digest not in digests:
            continue
        for name, version in environment.packages.items():
            if normal_name(name) != wanted:
                continue
            if meant := is_meant(version):
                holding[digests[environment.digest]] = version
            else:
                others[version] = meant
    unreadable = tuple(sorted(version for version, meant in others.items() if meant is None))
    return Environments(holding, len(refs), len(rows) <= limit, tuple(sorted(others)), unreadable)


def _matcher(package: Package) -> Callable[[str], bool | None]:
    """Return what tells whether a version is meant; None where it is no version by PEP 440."""
    if not package.specifier:
        return lambda version: package.version in ("", version)
    # Only who asks for a range pays for the import.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        specifiers = SpecifierSet(package.specifier)
    except InvalidSpecifier as error:
        raise PackageNameError(package.text, str(error)) from None

    def is_meant(version: str) -> bool | None:
        try:
            return specifiers.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return None

    return is_meant
