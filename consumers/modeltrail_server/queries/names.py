"""From what a person writes to the one thing it means: ``model:risk/fraud@production``, ``fraud``, ``0197c``.

An exact name comes before a prefix. Where several things fit, nothing is guessed: the error lists them.
"""

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from modeltrail_schemas.identity import entity_key, ref_key, run_key
from modeltrail_schemas.names import DEFAULT_NAMESPACE, EntityRef, parse_name

from modeltrail_server.projection.facts import EntityRow, key_text
from modeltrail_server.queries.declarations import version_called, words_of
from modeltrail_server.queries.display import display
from modeltrail_server.queries.errors import AmbiguousNameError, EmptyDatabaseError, NotFoundError
from modeltrail_server.queries.named_things import LAST_CHARACTER
from modeltrail_server.queries.other_names import OtherwiseCalled, otherwise_called
from modeltrail_server.queries.rows import key_of, ref_of
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.wholes import is_cut_short

VERSIONED_KINDS = ("model", "dataset")
NAMED_KINDS = (*VERSIONED_KINDS, "job")
ALL_KINDS = (*NAMED_KINDS, "run", "commit")
MAX_CANDIDATES = 10
MAX_PREFIX_MATCHES = 50
MAX_SLASHES = 16
MAX_NEAR_ROWS = 1_000
MAX_NEAR = 3
MIN_PREFIX_CHARACTERS = 4
NO_OTHER = OtherwiseCalled((), all_seen=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a name means. ``run_id`` is set for a run, else ``ref``; ``asked_as`` is the alias it was called by."""

    kind: str
    key: bytes
    ref: EntityRef
    run_id: str = ""
    asked_as: str = ""

    @property
    def text(self) -> str:
        """Return the name that means this and nothing else."""
        return f"run:{self.run_id}" if self.kind == "run" else f"{self.kind}:{display(self.ref)}"

    @property
    def name_key(self) -> bytes:
        """Return the key of the model or dataset that this is a version of, or its own."""
        return ref_key(self.ref.unversioned) if self.kind in VERSIONED_KINDS else self.key


def resolve(snapshot: Snapshot, text: str, *, kinds: Sequence[str] = ALL_KINDS) -> Subject:
    """Return the one thing that ``text`` means among ``kinds``.

    A dataset may be meant by another name that an event told of it, where it is the only one to have that: then the
    snapshot's remarks say so.

    Raises EmptyDatabaseError, NotFoundError (with near names) or AmbiguousNameError (with the candidates).
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ALL_KINDS:
        if prefix not in kinds:
            raise NotFoundError(f"{text!r} is a {prefix}", remedy=f"this question is about a {' or a '.join(kinds)}")
        kinds, text = (prefix,), rest
    exact, loose = _candidates(snapshot, text, kinds)
    found = list({subject.key: subject for subject in exact or loose}.values())
    if len(found) == 1:
        return found[0]
    if found:
        listed = [subject.text for subject in found[:MAX_CANDIDATES]]
        raise AmbiguousNameError(text, listed, more=len(found) > MAX_CANDIDATES)
    if len(kinds) > 1 and any(_candidates(snapshot, text, [kind for kind in ALL_KINDS if kind not in kinds])):
        raise NotFoundError(f"{text!r} is no {' or '.join(kinds)}", remedy="see what it is: modeltrail show " + text)
    called = _otherwise_called(snapshot, text) if "dataset" in kinds else NO_OTHER
    if called.datasets and called.all_seen:
        return _dataset_called(snapshot, text, called.datasets)
    raise _not_found(snapshot, text, kinds, [f"dataset:{display(ref)}" for ref in called.datasets])


def latest_version(snapshot: Snapshot, subject: Subject) -> Subject:
    """Return the version of a model or dataset that appeared last; ``subject`` itself when it is one, or has none.

    A word that was only ever an alias is no version, though a run may have used the model by it.
    """
    if subject.kind not in VERSIONED_KINDS or subject.ref.version:
        return subject
    rows = snapshot.versions_of_name(subject.key, limit=MAX_CANDIDATES)
    row = next((row for row in rows if subject.kind == "dataset" or is_version(snapshot, row.entity_key)), None)
    if row is None and rows:
        aliases = words_of(snapshot, [subject.ref])[subject.ref]
        row = next((row for row in rows if row.version not in aliases), None)
    return Subject(subject.kind, row.entity_key, ref_of(row)) if row else subject


def is_version(snapshot: Snapshot, key: bytes) -> bool:
    """Return whether anybody made or declared this version: what was only ever used may be an alias."""
    return bool(snapshot.links_of_entities([key], ["output", "subject"], limit=1))


def _candidates(snapshot: Snapshot, text: str, kinds: Sequence[str]) -> tuple[list[Subject], list[Subject]]:
    """Return what ``text`` names exactly, and what it is the beginning of."""
    exact: list[Subject] = []
    loose: list[Subject] = []
    named = {key_of(each): each for ref in _named_by(text, kinds) for each in (ref, ref.unversioned)}
    snapshot.remember(entities=named, links=[key for key, ref in named.items() if ref.version])
    for row in _named(snapshot, text, [kind for kind in kinds if kind in NAMED_KINDS]):
        _, at, version = text.partition("@")
        if not at or row.kind == "job":
            if not snapshot.is_known(row):
                continue
            exact.append(Subject(row.kind, row.entity_key, ref_of(row)))
        else:
            exact.extend(_versions(snapshot, ref_of(row), version))
    if not text:
        return exact, loose
    if "run" in kinds:
        key = run_key(text)
        exact.extend(Subject("run", key, EntityRef("run"), run.run_id) for run in snapshot.runs([key]))
        loose.extend(_runs_beginning(snapshot, text))
    if "commit" in kinds and _is_hexadecimal(text):
        rows = snapshot.names_between("commit", text.lower(), text.lower() + LAST_CHARACTER, limit=MAX_CANDIDATES + 1)
        commits = [Subject("commit", row.entity_key, ref_of(row)) for row in rows]
        if snapshot.as_of is not None:
            commits = [item for item in commits if snapshot.links_of_entities([item.key], ["commit"], limit=1)]
        (exact if any(commit.ref.name == text for commit in commits) else loose).extend(commits)
    return exact, loose


def _named(snapshot: Snapshot, text: str, kinds: Sequence[str]) -> list[EntityRow]:
    """Return the models, datasets and jobs that ``text``, without its version, names.

    With a namespace, each ``/`` may be the one that ends it. Without, the namespace may be any, but ``default``
    comes first, since names are displayed without it.
    """
    if not kinds or not text.partition("@")[0]:
        return []
    refs = [ref for kind in kinds for ref in _readings(text, kind)]
    rows = snapshot.entities([key_of(ref) for ref in refs])
    rows = rows or [row for ref in refs if is_cut_short(ref) for row in _beginning_as(snapshot, ref)]
    if rows:
        return rows
    parsed = parse_name(f"{DEFAULT_NAMESPACE}/{text}", kind="")
    whole = parse_name(f"{DEFAULT_NAMESPACE}/{text.replace('@', '%40')}", kind="")
    names = dict.fromkeys((parsed.name, whole.name) if "job" in kinds else (parsed.name,))
    return [row for name in names for row in snapshot.names_of(kinds, name, limit=MAX_CANDIDATES + 1)]


def _beginning_as(snapshot: Snapshot, cut: EntityRef) -> list[EntityRow]:
    """Return what the read model holds under the beginning of a name, as lists of names show it."""
    rows = snapshot.names_of([cut.kind], cut.name, limit=MAX_CANDIDATES + 1)
    return [row for row in rows if key_text(row.namespace) == key_text(cut.namespace)]


def _named_by(text: str, kinds: Sequence[str]) -> list[EntityRef]:
    """Return whatever ``text`` may be written from: names, with their version where it tells one."""
    name, at, version = text.partition("@")
    refs = [ref for kind in kinds if kind in NAMED_KINDS and name for ref in _readings(text, kind)]
    told = parse_name(f"x/y@{version}", kind="").version if at else ""
    return [replace(ref, version=told) if ref.kind in VERSIONED_KINDS else ref for ref in refs]


def _readings(text: str, kind: str) -> list[EntityRef]:
    """Return every namespace and name that ``text`` may be written from."""
    path = text if kind == "job" else text.partition("@")[0]
    escaped = path.replace("@", "%40")
    if "/" not in escaped:
        return [parse_name(escaped, kind=kind)]
    parts = escaped.split("/")
    readings = []
    for cut in range(1, min(len(parts), MAX_SLASHES)):
        path = "%2F".join(parts[:cut]) + "/" + "/".join(parts[cut:])
        if path.endswith("/"):  # it may be the root of a store, which has no name
            root = parse_name(f"{path}root", kind=kind)
            readings.append(replace(root, name=root.name.removesuffix("root")))
        else:
            readings.append(parse_name(path, kind=kind))
    return readings


def _versions(snapshot: Snapshot, name: EntityRef, written: str) -> list[Subject]:
    """Return the version of ``name`` that ``written`` is: in full, an alias or stage, or its unique beginning."""
    version = parse_name(f"x/y@{written}", kind="").version
    key = entity_key(name.kind, name.namespace, name.name, version)
    known = bool(version) and bool(snapshot.entities([key]))
    if name.kind == "model" and not (known and is_version(snapshot, key)):
        called = version_called(snapshot, name, version)
        if called is not None:
            return [Subject(name.kind, ref_key(called), called, asked_as=version)]
    if known:
        return [Subject(name.kind, key, EntityRef(name.kind, name.namespace, name.name, version))]
    beginnings = [version, f"sha256:{version}"] if _is_hexadecimal(version) else [version]
    found: list[EntityRow] = []
    for beginning in beginnings:
        if len(version) >= MIN_PREFIX_CHARACTERS:
            high = beginning + LAST_CHARACTER
            found.extend(snapshot.versions_between(name, beginning, high, limit=MAX_CANDIDATES + 1))
    return [Subject(row.kind, row.entity_key, ref_of(row)) for row in found]


def _runs_beginning(snapshot: Snapshot, text: str) -> list[Subject]:
    """Return the runs whose id is a UUID beginning with ``text``: their keys sort by it."""
    digits = text.lower().replace("-", "")
    if not _is_hexadecimal(digits) or len(digits) >= 32:
        return []
    low, high = bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
    runs = snapshot.runs_between(low, high, limit=MAX_PREFIX_MATCHES)
    beginning = (run for run in runs if run.run_id.replace("-", "").startswith(digits))
    return [Subject("run", run.run_key, EntityRef("run"), run.run_id) for run in beginning]


def _is_hexadecimal(text: str) -> bool:
    return len(text) >= MIN_PREFIX_CHARACTERS and all(character in string.hexdigits for character in text)


def _not_found(snapshot: Snapshot, text: str, kinds: Sequence[str], near: Sequence[str]) -> NotFoundError:
    """Return that ``text`` names nothing, and what may be meant: ``near``, or else names like it."""
    if snapshot.is_empty():
        return EmptyDatabaseError()
    if snapshot.as_of is not None and _is_known_now(replace(snapshot, as_of=None), text, kinds):
        return NotFoundError(f"nothing was known of {text!r} then", remedy="ask as of a later time")
    path, at, version = text.partition("@")
    versioned = [kind for kind in kinds if kind in VERSIONED_KINDS]
    for row in _named(snapshot, path, versioned) if at else ():
        name = ref_of(row)
        rows = snapshot.versions_of_name(row.entity_key, limit=MAX_PREFIX_MATCHES)
        known = {version.version: f"{display(name)}@{version.version}" for version in rows}
        if name.kind == "model":
            known |= {alias: f"{display(name)}@{alias}" for alias in words_of(snapshot, [name])[name]}
        alike = _close(version, known) or list(known)[:MAX_NEAR]
        what = f"{name.kind} {display(name)} has no version" + (" or alias" if name.kind == "model" else "")
        return NotFoundError(f"{what} {version!r}", near=[known[word] for word in alike])
    what = "nothing" if len(kinds) > 1 else f"no {kinds[0]}"
    return NotFoundError(f"{what} is called {text!r}", near=near[:MAX_NEAR] or _near_names(snapshot, path, kinds))


def _is_known_now(snapshot: Snapshot, text: str, kinds: Sequence[str]) -> bool:
    """Return whether something is called ``text``."""
    if any(_candidates(snapshot, text, kinds)):
        return True
    return "dataset" in kinds and bool(_otherwise_called(snapshot, text).datasets)


def _otherwise_called(snapshot: Snapshot, text: str) -> OtherwiseCalled:
    """Return the datasets that have ``text``, without its version, as another name."""
    path = text.partition("@")[0]
    if not path:
        return NO_OTHER
    bare = parse_name(f"{DEFAULT_NAMESPACE}/{path}", kind="dataset").name
    return otherwise_called(snapshot, set(_readings(text, "dataset")), bare)


def _dataset_called(snapshot: Snapshot, text: str, datasets: Sequence[EntityRef]) -> Subject:
    """Return the one of ``datasets``, or its version, that has ``text`` as another name; and have that said.

    Raises AmbiguousNameError where several do, NotFoundError where it has no such version.
    """
    path, at, version = text.partition("@")
    found = [Subject("dataset", ref_key(ref), ref) for ref in datasets]
    if at:
        found = [each for ref in datasets for each in _versions(snapshot, ref, version)]
    if len(found) > 1:
        listed = [subject.text for subject in found[:MAX_CANDIDATES]]
        raise AmbiguousNameError(text, listed, more=len(found) > MAX_CANDIDATES)
    meant = " or ".join(display(ref) for ref in datasets[:MAX_NEAR])
    if not found:
        raise NotFoundError(f"{path} is another name of {meant}, which has no version {version!r}")
    snapshot.remarks.append(f"{path} is another name of {display(found[0].ref.unversioned)}")
    return found[0]


def _near_names(snapshot: Snapshot, text: str, kinds: Sequence[str]) -> list[str]:
    """Return up to three names like ``text``, from those that start as it does and the first ones of all."""
    wanted = text.rpartition("/")[2]
    names: dict[str, list[str]] = {}
    for kind in (kind for kind in NAMED_KINDS if kind in kinds):
        for low, high in ((wanted[:1], wanted[:1] + LAST_CHARACTER), ("", LAST_CHARACTER)):
            for row in snapshot.names_between(kind, low, high, limit=MAX_NEAR_ROWS):
                names.setdefault(row.name, []).append(f"{kind}:{display(ref_of(row))}")
    return list(dict.fromkeys(text for name in _close(wanted, names) for text in names[name]))[:MAX_NEAR]


def _close(wanted: str, words: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(wanted, list(words), n=MAX_NEAR)
