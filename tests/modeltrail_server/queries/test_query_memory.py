"""What was looked up ahead is answered as if it had been asked for, and the database is not asked again."""

from dataclasses import replace

import pytest
from modeltrail.log.protocol import Position
from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.memory import ABOUT_ALL_VERSIONS
from told_history import dataset, model

CLEAN = dataset("risk/dataset_v3", digest="sha256:" + "d" * 64)
VERSIONS = (model("risk/fraud@1.2"), dataset("risk/raw@9f1"), CLEAN, model("risk/none@0"))
NAMES = tuple({ref.unversioned for ref in VERSIONS} | {EntityRef("job", "risk", "clean")})


def keys(refs):
    return [ref_key(ref) for ref in refs]


def answers(snapshot):
    versions, names = keys(VERSIONS), keys(ref for ref in NAMES if ref.kind != "job")
    return [
        sorted(snapshot.entities([*versions, *names])),
        snapshot.links_of_entities(versions, ["output"]),
        snapshot.links_of_entities(versions[:1], ["subject", "output"], limit=1),
        snapshot.declarations((versions, ["RETRACTED", "DEPLOYED"]), (names, ABOUT_ALL_VERSIONS)),
        snapshot.declarations((names, ["RETRACTED"]), limit=1),
        snapshot.contents(versions),
        [stored.event for stored in snapshot.events_naming_first(versions)],
    ]


@pytest.mark.parametrize("as_of", [None, AsOf(position=Position((6,))), AsOf(event_time_ns=2**62)])
def test_what_was_looked_up_is_answered_alike_and_asked_once(fraud, as_of):
    fraud.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")
    fraud.declare("DESCRIBED", model("risk/fraud"), why="said")
    asked = []
    with fraud.asked(as_of) as snapshot:
        expected = answers(replace(snapshot))
        snapshot.look_up((*VERSIONS, *NAMES), and_first_of=keys(VERSIONS))
        snapshot.connection.connection.driver_connection.set_trace_callback(asked.append)

        assert answers(snapshot) == expected
    # Which event within a bound names a thing first is worked out from all its links, which are not looked up.
    assert as_of or not [sql for sql in asked if sql.startswith("SELECT")]
    assert any(expected)


def test_one_that_was_not_looked_up_is_asked_for_with_the_rest(fraud):
    with fraud.asked() as snapshot:
        snapshot.look_up(VERSIONS[:1])

        assert answers(snapshot) == answers(replace(snapshot))


def test_what_is_too_much_is_not_kept(fraud, monkeypatch):
    monkeypatch.setattr("modeltrail_server.queries.snapshot.MAX_LINKS_REMEMBERED", 1)
    with fraud.asked() as snapshot:
        expected = answers(replace(snapshot))
        snapshot.look_up((*VERSIONS, *NAMES), and_first_of=keys(VERSIONS))

        assert answers(snapshot) == expected
