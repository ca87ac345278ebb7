"""What was known then, what was true then, who had an alias on a day, what is new: each bounded by events alone."""

import pytest
from modeltrail.log.protocol import Outgoing, Position
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import Kind, LineageEvent, Statement
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.changes import changes_since
from modeltrail_server.queries.contents import identify
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.holdings import holdings_on
from modeltrail_server.queries.listing import list_models, list_runs
from modeltrail_server.queries.moments import resolve_as_of
from modeltrail_server.queries.names import resolve
from told_history import MARCH_2026_NS, SECOND_NS, dataset, model


def at(seconds):
    return MARCH_2026_NS + seconds * SECOND_NS


def resolved(snapshot, as_of):
    return resolve_as_of(snapshot.connection, snapshot.tables, as_of)


def recorded(history):
    with history.asked() as snapshot:
        return [row.recorded_ms for row in snapshot.events_since(0, 0, limit=1_000)]


def test_a_time_becomes_the_first_position_recorded_after_it(fraud):
    times = recorded(fraud)

    with fraud.asked() as snapshot:
        for moment in (times[0] - 1, times[0], times[-1], times[-1] + 1):
            as_of = resolved(snapshot, AsOf(recorded_ms=moment)).as_of
            assert as_of.position == Position((sum(time <= moment for time in times),))
            assert as_of.recorded_ms is None


def test_a_time_beyond_what_was_projected_is_said(fraud):
    last = recorded(fraud)[-1]

    with fraud.asked() as snapshot:
        assert resolved(snapshot, AsOf(recorded_ms=last)).known_until_ms is None
        assert resolved(snapshot, AsOf(recorded_ms=last + 1)).known_until_ms == last
        assert resolved(snapshot, AsOf(position=Position((10_000,)))).known_until_ms == last
        assert resolved(snapshot, AsOf(position=Position((3,)))).known_until_ms is None


def test_runs_are_as_they_were_then_and_later_ones_are_not_there(fraud):
    with fraud.asked(AsOf(position=Position((3,)))) as snapshot:
        page = list_runs(snapshot)

    assert [(run.run_id, run.state) for run in page.items] == [("run-train", "START"), ("run-clean", "COMPLETE")]
    with fraud.asked(AsOf(position=Position((2,)))) as snapshot:
        assert [run.run_id for run in list_runs(snapshot).items] == ["run-clean"]


def test_pages_of_runs_go_on_where_they_ended_though_a_run_is_told_now_to_have_begun_earlier(history):
    for number in range(4):
        history.run(f"run-{number}")
    history.run("run-3", "RUNNING", event_time_ns=at(1) + 1)  # recorded last

    seen, page = [], None
    with history.asked(AsOf(position=Position((4,)))) as snapshot:
        while len(seen) < 9 and (page is None or page.next):
            page = list_runs(snapshot, limit=1, page=page and page.next)
            seen += [run.run_id for run in page.items]

    assert sorted(seen) == [f"run-{number}" for number in range(4)]


def test_when_a_version_first_appeared_is_told_by_what_was_known_then(history):
    history.run("run-1", "COMPLETE", outputs=(model("fraud@2"),))
    history.run("run-2", "COMPLETE", outputs=(model("fraud@1"),))
    history.run("run-3", "COMPLETE", outputs=(model("fraud@1"),), event_time_ns=at(-100))  # recorded last

    with history.asked(AsOf(position=Position((2,)))) as snapshot:
        (line,) = list_models(snapshot).items
        assert (line.latest.version, line.latest_ns) == ("1", at(2))
        assert answer(snapshot, resolve(snapshot, "fraud@1")).first_ns == at(2)
        versions = snapshot.versions_before(resolve(snapshot, "model:fraud").key, at(1), limit=9)
        assert [version.version for version in versions] == ["2"]
    with history.asked() as snapshot:
        (line,) = list_models(snapshot).items
        assert (line.latest.version, line.latest_ns) == ("2", at(1))
        assert answer(snapshot, resolve(snapshot, "fraud@1")).first_ns == at(-100)


def test_a_version_known_then_is_known_though_an_earlier_event_came_later(history):
    history.run("run-1", "COMPLETE", outputs=(model("fraud@1"),))
    history.run("run-0", "COMPLETE", inputs=(model("fraud@1"),), event_time_ns=at(-100))

    with history.asked(AsOf(position=Position((1,)))) as snapshot:
        view = answer(snapshot, resolve(snapshot, "fraud"))

    assert view.model == model("fraud@1")
    assert [run.run_id for run in view.made_by] == ["run-1"]
    assert view.used_by == 0


def test_an_alias_means_what_it_meant_then_by_event_time_and_by_record(history):
    for number in (1, 2):
        history.run(f"run-{number}", "COMPLETE", outputs=(model(f"fraud@{number}"),))
        history.declare("ALIASED", model(f"fraud@{number}"), alias="production")

    for as_of, version in ((AsOf(event_time_ns=at(3)), "1"), (AsOf(position=Position((3,))), "1"), (None, "2")):
        with history.asked(as_of) as snapshot:
            assert resolve(snapshot, "fraud@production").ref.version == version
            (line,) = list_models(snapshot).items
            assert [step.subject.version for step in line.aliases] == [version]


def test_models_nobody_had_heard_of_then_are_not_listed(history):
    history.run("run-1", "COMPLETE", outputs=(model("a@1"),))
    history.run("run-2", "COMPLETE", outputs=(model("b@1"),))

    with history.asked(AsOf(position=Position((1,)))) as snapshot:
        assert [line.model.name for line in list_models(snapshot).items] == ["a"]


def known_then(history, digest, as_of=None):
    with history.asked(as_of) as snapshot:
        return [(known.entity.format(), known.first_ns) for known in identify(snapshot, digest).known]


def test_a_file_is_what_was_known_of_its_content_then(history):
    plain, told = dataset("risk/tx@1"), dataset("risk/tx@1", digest="sha256:aa")
    history.run("run-1", "COMPLETE", inputs=(plain,))
    history.run("run-2", "COMPLETE", inputs=(told,))

    now = [("dataset:risk/tx@1", at(1))]
    assert known_then(history, "sha256:aa", AsOf(position=Position((1,)))) == []
    assert known_then(history, "sha256:aa", AsOf(event_time_ns=at(1))) == []
    assert known_then(history, "sha256:aa", AsOf(position=Position((2,)))) == now
    assert known_then(history, "sha256:aa") == now


def test_content_told_then_is_known_though_an_earlier_event_that_tells_it_came_later(history):
    told = dataset("risk/tx@1", digest="sha256:aa")
    history.run("run-2", "COMPLETE", inputs=(told,))
    history.run("run-1", "COMPLETE", outputs=(told,), event_time_ns=at(-100))

    then = AsOf(position=Position((1,)))
    assert known_then(history, "sha256:aa", then) == [("dataset:risk/tx@1", at(1))]
    with history.asked(then) as snapshot:
        assert answer(snapshot, resolve(snapshot, "tx@1")).detail.digests == ("sha256:aa",)


@pytest.mark.parametrize("text", ["model:fraud", "fraud", "dataset_v3", "job:risk/fraud-train", "a1b2c3d"])
def test_a_name_that_nobody_had_told_then_is_not_known(fraud, text):
    with fraud.asked(AsOf(event_time_ns=at(-9))) as snapshot, pytest.raises(NotFoundError, match=r"known of .* then"):
        resolve(snapshot, text)
    with fraud.asked(AsOf(event_time_ns=at(99))) as snapshot:
        assert resolve(snapshot, text)


def held(history, since, until=None, **asked):
    with history.asked() as snapshot:
        found = holdings_on(snapshot, model("fraud"), since, since if until is None else until, **asked)
    return [(item.kind, item.word, item.version.version) for item in found.holdings]


def test_who_had_an_alias_at_a_moment_and_who_in_a_span(history):
    for number, second in ((1, 10), (2, 20), (1, 30)):
        version = model(f"fraud@{number}", role="production")
        said = Statement(alias="production", by="ana")
        history.tell("model", "ALIASED", subjects=(version,), statement=said, event_time_ns=at(second))

    assert held(history, at(5)) == []
    assert held(history, at(10)) == [("alias", "production", "1")]
    assert held(history, at(25)) == [("alias", "production", "2")]
    assert held(history, at(15), at(30)) == [("alias", "production", version) for version in "121"]


def test_who_was_deployed_ends_with_a_retirement_there_or_everywhere(history):
    one = model("fraud@1")
    history.declare("DEPLOYED", one, target="eu")
    history.declare("DEPLOYED", one, target="us")
    history.declare("RETIRED", one, target="eu")
    history.declare("RETIRED", one)

    assert held(history, at(2)) == [("target", "eu", "1"), ("target", "us", "1")]
    assert held(history, at(3)) == [("target", "us", "1")]
    assert held(history, at(3), kind="target", word="eu") == []
    assert held(history, at(4)) == []


def test_what_changed_tells_new_versions_declarations_corrections_and_failures(fraud):
    with fraud.asked() as snapshot:
        before = changes_since(snapshot, 0)
    fraud.run("run-9", "FAIL", inputs=(dataset("risk/raw@9f1"), dataset("risk/raw@9f2")))
    fraud.run("run-train", "CORRECTED", parameters={"lr": "0.2"})
    fraud.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")

    with fraud.asked() as snapshot:
        found = changes_since(snapshot, 0)

    assert [run.run_id for run in found.failed] == ["run-9"]
    assert [said.step.type for said in found.said[len(before.said) :]] == ["CORRECTED", "RETRACTED"]
    assert [new.version.version for new in found.versions[len(before.versions) :]] == ["9f2"]
    assert found.next_ms is None


def test_what_changed_says_where_it_stopped(fraud):
    with fraud.asked() as snapshot:
        found = changes_since(snapshot, 0, limit=3)

    assert found.records == 3
    assert found.next_ms is not None


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_bound_by_event_time_includes_the_moment_itself(history, seconds):
    event = history.run("run-1", "COMPLETE", outputs=(model("fraud@1"),))
    history.log.append([Outgoing(encode(LineageEvent(b"9" * 16, Kind.RUN, "START", at(-50), "run-0")))])

    with history.asked(AsOf(event_time_ns=event.event_time_ns + min(seconds, 0) * SECOND_NS)) as snapshot:
        assert ("run-1" in [run.run_id for run in list_runs(snapshot).items]) == (seconds > 0)
