"""What the driver is asked by a statement's text is what SQLAlchemy would have asked it."""

import pytest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.fetching import bound, fetch, fetch_together, text_of
from modeltrail_server.projection.tables import tables_of
from sqlalchemy import bindparam, insert, select

TABLES = tables_of(1)
ENTITY = TABLES.entity.c
NAMES = ["plain", "nul \x00", "half \ud800 a pair", "escape \ufffe0000", "ü \U0001f600", ""]
BY_KEY = select(ENTITY.entity_key, ENTITY.name).where(ENTITY.entity_key.in_(bindparam("keys", expanding=True)))
BY_NAME = select(ENTITY.entity_key, ENTITY.name).where(
    ENTITY.kind == "dataset", ENTITY.name.in_(bindparam("names", expanding=True))
)
ONE_NAME = select(ENTITY.entity_key, ENTITY.name).where(ENTITY.name == bindparam("name")).limit(5)


def key(number):
    return number.to_bytes(16, "big")


def fill(engine):
    TABLES.metadata.create_all(engine)
    same = {"kind": "dataset", "namespace": "n", "version": "", "name_key": key(0)}
    same |= {"first_time_ns": 1, "first_event_id": key(9)}
    rows = [
        same | {"entity_key": key(number), "name": name, "first_event_id": key(9)}
        for number, name in enumerate(NAMES)
    ]
    with engine.begin() as connection:
        connection.execute(insert(TABLES.entity), rows)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def connection(request, tmp_path):
    url = (
        f"sqlite:///{tmp_path / 'any.db'}" if request.param == "sqlite" else request.getfixturevalue("new_database")()
    )
    engine = open_engine(url)
    fill(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_a_list_of_any_length_selects_what_is_in_it_and_nothing_else(connection, count):
    asked = {"keys": [key(number) for number in range(count)]}

    assert sorted(map(tuple, fetch(connection, BY_KEY, asked))) == [(key(n), NAMES[n]) for n in range(count)]
    assert sorted(map(tuple, connection.execute(BY_KEY, asked))) == [(key(n), NAMES[n]) for n in range(count)]


def test_any_text_is_bound_and_read_as_it_was(connection):
    found = fetch(connection, BY_NAME, {"names": NAMES})

    assert sorted(map(tuple, found)) == [(key(number), name) for number, name in enumerate(NAMES)]
    for number, name in enumerate(NAMES):
        assert list(map(tuple, fetch(connection, ONE_NAME, {"name": name}))) == [(key(number), name)]


def test_what_is_asked_together_is_answered_in_order(connection):
    one, none, two = fetch_together(
        connection,
        [(BY_KEY, {"keys": [key(0)]}), (BY_KEY, {"keys": [key(77)]}), (BY_NAME, {"names": NAMES[:2]})],
    )

    assert (len(one), len(none), len(two)) == (1, 0, 2)
    assert fetch_together(connection, []) == []


def test_lists_of_near_lengths_share_a_text():
    texts = [text_of("sqlite", BY_KEY, {"keys": [key(0)] * count}) for count in (3, 4, 5)]

    assert texts[0] is texts[1]
    assert texts[1].sql != texts[2].sql
    assert bound(texts[0], {"keys": [key(1), key(2), key(3)]}) == [key(1), key(2), key(3), key(3)]
