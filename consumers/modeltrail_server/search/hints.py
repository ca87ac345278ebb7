"""Why a search found nothing: keys that no run has and those that are near, and comparisons that no run satisfies."""

from collections.abc import Iterator
from difflib import get_close_matches

from sqlalchemy import func, select

from modeltrail_server.queries.display import natural_order
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.expression import Term, parse_expression, terms_of
from modeltrail_server.search.meaning import Condition, meaning_of
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, Key, cut_text
from modeltrail_server.search.statements import Catalogue, Range, range_of
from modeltrail_server.search.tables import search_tables_of

MAX_KEYS_READ = 2_000
MAX_NEAR = 3
MAX_VALUES = 5
_PREFIXES = {METRIC: "metrics.", "param": "params.", "tag": "tags.", ATTRIBUTE: ""}


def hints(snapshot: Snapshot, expression: str) -> tuple[str, ...]:
    """Return why no run satisfies ``expression`` now, a line for each reason."""
    terms = list(dict.fromkeys(terms_of(parse_expression(expression))))
    index = _Index(snapshot)
    keys = index.keys()
    found = [hint for term in terms for hint in index.about(term, keys)]
    if not keys:
        return ("no run is indexed yet: record one, with run.log_params, run.log_metrics, run.set_tags",)
    if not found and len(terms) > 1:
        return ("each comparison alone is satisfied by some run, together they are by none",)
    return tuple(dict.fromkeys(found))


class _Index:
    """What the index has."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._connection, self._tables = snapshot.connection, search_tables_of(snapshot.tables.generation)
        self._catalogue = Catalogue(self._tables, snapshot.connection.dialect.name)

    def keys(self) -> set[Key]:
        """Return the keys that runs have, up to a bound."""
        key = self._tables.key
        rows = self._connection.execute(select(key.c.kind, key.c.name).limit(MAX_KEYS_READ)).all()
        return {Key(kind, name) for kind, name in rows}

    def about(self, term: Term, keys: set[Key]) -> Iterator[str]:
        """Yield why no run satisfies this comparison, if none does."""
        key = Key(term.kind, cut_text(term.name))
        written = _written(key)
        if key not in keys and len(keys) < MAX_KEYS_READ:
            near, there = ", ".join(_near(key, keys)), ", ".join(_some(key.kind, keys))
            others = f"; near it: {near}" if near else f"; runs have {there}" if there else ""
            yield f"no run has {written}{others}"
            return
        meaning = meaning_of(term)
        rows = range_of(meaning) if isinstance(meaning, Condition) else None
        if rows is not None and not self._connection.scalar(self._catalogue.counted([rows]), {"row_limit": 1}):
            yield f"no run has such a {written}: {self._extent(rows)}"

    def _extent(self, rows: Range) -> str:
        """Return what values there are under a key: from the least to the largest, or some."""
        value, key_id = self._tables.value, rows.key.id
        numbers = (value.c.key_id == key_id, value.c.number.is_not(None))
        ends = [
            self._connection.scalar(select(value.c.number).where(*numbers).order_by(order).limit(1))
            for order in (value.c.number, value.c.number.desc())
        ]
        if ends[0] is not None and rows.key != Key(ATTRIBUTE, "started"):
            return f"they are from {ends[0]:g} to {ends[1]:g}"
        texts: list[str] = []
        while len(texts) < MAX_VALUES:
            following = select(func.min(value.c.text)).where(value.c.key_id == key_id, value.c.number.is_(None))
            text = self._connection.scalar(following.where(value.c.text > texts[-1]) if texts else following)
            if text is None:
                break
            texts.append(text)
        more = ", …" if len(texts) == MAX_VALUES else ""
        return f"there are {', '.join(map(repr, texts))}{more}" if texts else "all began at other times"


def _near(key: Key, keys: set[Key]) -> list[str]:
    """Return keys like ``key``, the same name of another kind first."""
    same = [each for each in keys if each.name == key.name and each.kind != ATTRIBUTE]
    own = {each.name: each for each in sorted(keys) if each.kind == key.kind}
    others = {each.name: each for each in sorted(keys) if each.kind not in (key.kind, ATTRIBUTE)}
    close = [own[name] for name in get_close_matches(key.name, own, n=MAX_NEAR)]
    close += [others[name] for name in get_close_matches(key.name, others, n=MAX_NEAR)]
    return [_written(each) for each in dict.fromkeys(same + close)][:MAX_NEAR]


def _some(kind: str, keys: set[Key]) -> list[str]:
    """Return the first keys of a kind, and whether there are more, as a person reads it."""
    there = sorted((key for key in keys if key.kind == kind), key=lambda key: natural_order(key.name))
    first = [_written(key) for key in there[:MAX_VALUES]]
    return [*first, "…"] if len(there) > MAX_VALUES else first


def _written(key: Key) -> str:
    """Return a key as an expression writes it."""
    plain = key.name.replace("_", "").replace(".", "").replace("-", "").isalnum()
    return _PREFIXES[key.kind] + (key.name if plain else f"`{key.name}`")
