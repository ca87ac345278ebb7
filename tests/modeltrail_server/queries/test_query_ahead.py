"""Looking ahead changes no answer, and a long way is asked for no more often than a short one."""

import pytest
from modeltrail.log.protocol import Position
from modeltrail_server.projection import fetching
from modeltrail_server.queries import ahead as looking
from modeltrail_server.queries import lineage as searching
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.errors import AmbiguousNameError, NotFoundError
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.snapshot import Snapshot
from tangled_history import tell_tangled
from told_history import MARCH_2026_NS, SECOND_NS, dataset, model

MANY_STEPS = 30
# The last of two that open the snapshot; the name resolved, keys found, who made these, what was used, what inference
# and flags ask.
ROUND_TRIPS = 6
BOUNDS = (
    Bounds(),
    Bounds(steps=4),
    Bounds(max_nodes=12),
    Bounds(max_neighbours=2),
    Bounds(since_ns=MARCH_2026_NS + 200 * SECOND_NS, until_ns=MARCH_2026_NS + 500 * SECOND_NS),
)


def known(graph):
    return graph.start, graph.complete, dict(graph.nodes), sorted(map(repr, graph.edges))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("as_of", [None, AsOf(position=Position((15,))), AsOf(event_time_ns=2**62)])
def test_what_was_fetched_ahead_answers_as_what_is_asked_for_step_by_step(history, monkeypatch, seed, as_of):
    names = tell_tangled(history, seed)
    with history.asked(as_of) as snapshot:

        def asked():
            for name in names:
                for bounds in BOUNDS:
                    fresh = Snapshot(snapshot.connection, snapshot.tables, as_of)
                    try:
                        subject = resolve(fresh, name)
                    except (NotFoundError, AmbiguousNameError):
                        continue
                    yield known(lineage(fresh, subject, Direction.BOTH, bounds=bounds))

        ahead = list(asked())
        monkeypatch.setattr(searching, "STEPS_WORTH_LOOKING_AHEAD", searching.MAX_STEPS + 1)
        assert ahead == list(asked())
    assert any(len(nodes) > 5 for _, _, nodes, _ in ahead)


def made_in(step):
    return f"part{step // 10}@v{step}"


def long_way(history):
    """Tell of a model at the end of a chain in which, now and then, the version that was read was not told."""
    for step in range(MANY_STEPS):
        name = made_in(step) if step % 10 != 5 else made_in(step).partition("@")[0]
        history.run(f"prepare-{step}", inputs=(dataset(name), dataset("raw@1")))
        history.run(f"prepare-{step}", "COMPLETE", outputs=(dataset(made_in(step + 1)),))
    history.declare("RETRACTED", dataset("raw@1"), why="wrong")
    history.run("train", "COMPLETE", inputs=(dataset(made_in(MANY_STEPS)),), outputs=(model("fraud@1"),))


@pytest.mark.parametrize("steps_back", [0, MANY_STEPS - 2])
def test_a_lineage_asks_as_often_for_a_long_way_as_for_a_short_one(history, monkeypatch, steps_back):
    long_way(history)
    name = "model:fraud@1" if not steps_back else f"dataset:{made_in(MANY_STEPS - steps_back)}"
    trips = []
    fetch_sqlite = fetching._fetch_sqlite
    monkeypatch.setattr(fetching, "_fetch_sqlite", lambda *asked: trips.append(asked[1]) or fetch_sqlite(*asked))
    with history.asked() as snapshot:
        del trips[:-1]
        graph = lineage(snapshot, resolve(snapshot, name))

    flags = {node.id: node.flags for node in graph.nodes.values() if node.flags}
    assert flags["dataset:raw@1"] == ("RETRACTED",)
    assert len(graph.nodes) > 2 * (MANY_STEPS - steps_back)
    # One more decodes what was declared; a declaration is decoded where there is one, whatever the way.
    assert len(trips) <= ROUND_TRIPS + 1, trips


def test_where_there_is_too_much_to_fetch_at_once_a_lineage_looks_ahead_no_more(history, monkeypatch):
    long_way(history)
    monkeypatch.setattr(looking, "MAX_LINKS", MANY_STEPS)
    asked = []
    with history.asked() as snapshot:
        subject = resolve(snapshot, "model:fraud@1")
        find = Snapshot.sources_of_entities
        monkeypatch.setattr(
            Snapshot, "sources_of_entities", lambda *who, **bounds: asked.append(who) or find(*who, **bounds)
        )
        graph = lineage(snapshot, subject)

    assert len(graph.nodes) > 2 * MANY_STEPS
    assert len(asked) == 1


def test_what_was_fetched_ahead_ends_where_the_graph_is_full(history, monkeypatch):
    long_way(history)
    asked = []
    with history.asked() as snapshot:
        subject = resolve(snapshot, "model:fraud@1")
        find = Snapshot.entities_of_activities
        monkeypatch.setattr(
            Snapshot, "entities_of_activities", lambda *who, **bounds: asked.append(who[1]) or find(*who, **bounds)
        )
        graph = lineage(snapshot, subject, bounds=Bounds(max_nodes=15))

    runs = [node for node in graph.nodes.values() if node.kind == "run"]
    assert len(asked) == 1
    assert len(runs) <= len(asked[0]) < MANY_STEPS / 2
