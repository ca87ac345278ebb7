"""What was retracted up a lineage is found by keys alone, and is what following the whole lineage finds."""

import pytest
from modeltrail.log.protocol import Position
from modeltrail_schemas.identity import ref_key
from modeltrail_server.queries import retractions, sources
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.checking import check_subject, inventory
from modeltrail_server.queries.completeness import Level
from modeltrail_server.queries.errors import AmbiguousNameError, NotFoundError
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, resolve
from modeltrail_server.queries.retractions import Retractions
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.sources import sources_of
from tangled_history import tell_tangled
from told_history import dataset, model

WHOLE = Bounds(steps=1_000, max_nodes=100_000, max_neighbours=1_000)
AS_OFS = [None, AsOf(position=Position((15,))), AsOf(event_time_ns=2**62)]


def subjects(snapshot, names, as_of):
    """Yield what is asked about, each with a snapshot that remembers nothing yet."""
    for name in names:
        fresh = Snapshot(snapshot.connection, snapshot.tables, as_of)
        try:
            subject = resolve(fresh, name)
        except (NotFoundError, AmbiguousNameError):
            continue
        if subject.kind in ("model", "run"):
            yield subject, fresh


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("as_of", AS_OFS)
def test_the_sources_of_a_thing_are_those_of_its_whole_lineage(history, seed, as_of):
    names = tell_tangled(history, seed)
    with history.asked(as_of) as snapshot:
        for subject, fresh in subjects(snapshot, names, as_of):
            graph = lineage(fresh, subject, bounds=WHOLE)
            versions = {node.id: ref_key(node.ref) for node in graph.nodes.values() if node.kind in VERSIONED_KINDS}

            found = sources_of(Snapshot(snapshot.connection, snapshot.tables, as_of), subject)

            assert graph.complete
            assert found.complete
            assert found.keys == set(versions.values()), (subject, versions)


def checked(history, name="model:fraud@1"):
    with history.asked() as snapshot:
        return check_subject(snapshot, resolve(snapshot, name))


def found(report, level=Level.RETRACTED):
    return [(finding.what, finding.why) for finding in report.findings if finding.level == level]


def tell_chain(history, steps=5):
    """Tell of a model at the end of a chain, in which the version read was told everywhere but once."""
    for step in range(steps):
        read = "features" if step == 2 else f"features@v{step}"
        history.run(f"prepare-{step}", inputs=(dataset(read), dataset(f"raw@day{step}")))
        history.run(f"prepare-{step}", "COMPLETE", outputs=(dataset(f"features@v{step + 1}"),))
    history.run("train", inputs=(dataset(f"features@v{steps}"),))
    history.run("train", "COMPLETE", outputs=(model("fraud@1"),))


@pytest.mark.parametrize("many", [False, True])
def test_what_was_retracted_fails_the_check_however_far_up_and_however_much_was_retracted(history, monkeypatch, many):
    tell_chain(history)
    history.declare("RETRACTED", dataset("raw@day0"), by="cem", why="wrong labels")
    history.declare("RETRACTED", dataset("other@day0"), why="never used")
    if many:
        monkeypatch.setattr(retractions, "MAX_RETRACTIONS", 1)
    else:
        monkeypatch.setattr(retractions, "lineage", None)  # where little was, no lineage is followed

    assert found(checked(history)) == [("raw@day0, further up the lineage, was retracted by cem", "wrong labels")]
    assert found(checked(history, "run:train")) == found(checked(history))


def test_where_nothing_was_retracted_nothing_is_looked_for(history, monkeypatch):
    tell_chain(history)
    monkeypatch.setattr(retractions, "sources_of", None)

    assert not found(checked(history))


@pytest.mark.parametrize("many", [False, True])
def test_a_dataset_retracted_as_a_whole_fails_the_check_of_what_stands_on_any_version(history, monkeypatch, many):
    tell_chain(history, steps=2)
    history.declare("RETRACTED", dataset("raw"), why="no consent")
    monkeypatch.setattr(retractions, "MAX_RETRACTED", 1 if many else 20_000)

    assert [what.split(",")[0] for what, _ in found(checked(history))] == ["raw@day0", "raw@day1"]


def test_the_retraction_of_one_version_says_nothing_of_another(history):
    tell_chain(history)
    history.declare("RETRACTED", dataset("features@v99"), why="wrong")

    assert not found(checked(history))


def test_a_version_behind_an_alias_and_one_behind_a_base_are_looked_at(history):
    history.run("pretrain", "COMPLETE", inputs=(dataset("text@1"),), outputs=(model("embedder@1"),))
    history.declare("ALIASED", model("embedder@1"), alias="production")
    history.run("train", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("fraud@1"),))
    history.declare("RETRACTED", dataset("text@1"), why="licence")

    assert found(checked(history)) == [("text@1, further up the lineage, was retracted", "licence")]


def test_what_lies_beyond_the_bound_is_not_said_to_be_fine(history, monkeypatch):
    tell_chain(history)
    history.declare("RETRACTED", dataset("raw@day0"), why="wrong labels")
    monkeypatch.setattr(sources, "MAX_SOURCES", 3)

    (weak,) = [what for what, _ in found(checked(history), Level.WEAK) if "lineage" in what]

    assert weak == "the lineage is larger than the 3 things looked at"


def test_of_what_was_known_earlier_only_what_was_then_retracted_counts(history):
    tell_chain(history)
    until = AsOf(position=Position((len(history.events),)))
    history.declare("RETRACTED", dataset("raw@day0"), why="wrong labels")
    with history.asked(until) as snapshot:
        above = Retractions(snapshot).above(resolve(snapshot, "model:fraud@1"))

    assert above.refs == ()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("as_of", AS_OFS)
def test_what_is_retracted_is_what_the_whole_lineage_marks(history, monkeypatch, seed, as_of):
    names = tell_tangled(history, seed)
    for ref in (dataset("raw@v1"), dataset("tx"), model("fraud@v3")):
        history.declare("RETRACTED", ref, why="wrong")
    with history.asked(as_of) as snapshot:
        for subject, fresh in subjects(snapshot, names, as_of):
            above = Retractions(fresh).above(subject)
            monkeypatch.setattr(retractions, "MAX_RETRACTIONS", 0)
            followed = Retractions(Snapshot(snapshot.connection, snapshot.tables, as_of)).above(subject)
            monkeypatch.undo()

            assert above.refs == followed.refs


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("as_of", AS_OFS)
def test_what_is_found_above_many_versions_at_once_is_what_is_found_above_each(history, seed, as_of):
    names = tell_tangled(history, seed)
    for ref in (dataset("raw@v1"), dataset("tx"), dataset("features@v3"), model("fraud@v3")):
        history.declare("RETRACTED", ref, why="wrong")
    with history.asked(as_of) as snapshot:
        asked = [subject for subject, _ in subjects(snapshot, names, as_of)]
        together = Retractions(snapshot, [subject.key for subject in asked if subject.kind == "model"])
        for subject in asked:
            alone = Retractions(Snapshot(snapshot.connection, snapshot.tables, as_of)).above(subject)
            assert together.above(subject) == alone


def test_an_inventory_fetches_what_all_its_versions_came_from_once(history, monkeypatch):
    tell_chain(history)
    history.run("again", "COMPLETE", inputs=(dataset("features@v3"),), outputs=(model("churn@1"),))
    history.declare("RETRACTED", dataset("raw@day0"), why="wrong labels")
    monkeypatch.setattr(retractions, "sources_of", None)
    fetched, upstream = [], Snapshot.upstream
    monkeypatch.setattr(
        Snapshot, "upstream", lambda *asked, **more: fetched.append(asked) or upstream(*asked, **more)
    )
    with history.asked() as snapshot:
        lines = inventory(snapshot).items

    assert [found(line.report)[0][1] for line in lines] == ["wrong labels", "wrong labels"]
    assert len(fetched) == 1
