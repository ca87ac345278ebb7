"""A subscriber hears of every event that passes its filters, at least once, from where its name left off."""

import itertools
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.errors import ConfigurationError, LogIdentityError, UnknownSchemaError
from modeltrail.log import Outgoing, open_log
from modeltrail.subscription import Subscription, subscribe
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef, JobName

MODEL = EntityRef("model", "risk", "fraud", "1.2")
DATA = EntityRef("dataset", "default", "tx", "", "sha256:aa")


def event(number: int, **fields: object) -> LineageEvent:
    given = {"kind": "run", "type": "RUNNING", "run_id": f"r{number}", "job": JobName("risk", "train")} | fields
    return LineageEvent(event_id=number.to_bytes(16, "big"), event_time_ns=number, **given)  # type: ignore[arg-type]


def append(config: Config, *events: LineageEvent) -> None:
    with open_log(config.log) as log:
        log.append([Outgoing(encode(each)) for each in events])


def hear(config: Config, name: str = "s", **options: object) -> list[str]:
    with subscribe(name, follow=False, config=config, **options) as subscription:  # type: ignore[arg-type]
        return [each.run_id for each in subscription]


def test_a_name_goes_on_where_it_left_off(config: Config) -> None:
    append(config, event(0), event(1))
    assert hear(config) == ["r0", "r1"]
    assert hear(config) == []
    append(config, event(2))
    assert hear(config) == ["r2"]
    assert hear(config, "another") == ["r0", "r1", "r2"]


def test_an_event_that_was_not_handled_comes_again(config: Config) -> None:
    append(config, event(0), event(1), event(2))
    with subscribe("s", config=config) as subscription:
        assert [each.run_id for each in itertools.islice(subscription, 2)] == ["r0", "r1"]
    assert hear(config) == ["r1", "r2"]


def test_a_consumer_that_fails_hears_the_event_again(config: Config) -> None:
    append(config, event(0), event(1))

    def handle(subscription: Subscription) -> None:
        for each in subscription:
            if each.run_id == "r1":
                raise RuntimeError

    with subscribe("s", config=config) as subscription, pytest.raises(RuntimeError):
        handle(subscription)
    assert hear(config) == ["r1"]


def test_following_waits_for_what_comes(config: Config) -> None:
    append(config, event(0))
    with subscribe("s", config=config) as subscription:
        assert next(subscription).run_id == "r0"
        append(config, event(1))
        assert next(subscription).run_id == "r1"


def test_now_means_what_comes_after_the_name_was_made(config: Config) -> None:
    append(config, event(0))
    assert hear(config, start="now") == []
    append(config, event(1))
    assert hear(config, start="now") == ["r1"]


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({"kinds": ["model"]}, ["r2"]),
        ({"types": ["COMPLETE", "ALIASED"]}, ["r1", "r2"]),
        ({"job": "risk/train"}, ["r0", "r1"]),
        ({"job": "other"}, ["r3"]),
        ({"run": "r1"}, ["r1"]),
        ({"model": "risk/fraud"}, ["r1", "r2"]),
        ({"model": "risk/fraud@1.2"}, ["r1", "r2"]),
        ({"model": "risk/fraud@1.3"}, []),
        ({"model": MODEL, "dataset": "tx"}, ["r1"]),
        ({"dataset": DATA}, ["r1", "r3"]),
        ({"where": lambda each: each.tags.get("a") == "b"}, ["r3"]),
        ({"where": lambda each: True, "types": []}, []),
    ],
)
def test_filters(config: Config, options: dict[str, object], heard: list[str]) -> None:
    append(
        config,
        event(0),
        event(1, type="COMPLETE", inputs=(DATA,), outputs=(MODEL,)),
        event(2, kind="model", type="ALIASED", subjects=(MODEL,), job=JobName()),
        event(3, inputs=(DATA,), job=JobName("default", "other"), tags={"a": "b"}),
    )
    assert hear(config, **options) == heard
    assert hear(config, "s", **options) == []


def test_what_cannot_be_decoded_is_passed_over_with_a_warning(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    with open_log(config.log) as log:
        log.append([Outgoing(b"nonsense"), Outgoing(encode(event(1)))])
    assert hear(config) == ["r1"]
    assert "record 0:0 was passed over" in caplog.text


def test_a_newer_writer_stops_the_subscription_where_it_is(config: Config) -> None:
    newer = b"\xc3\x01" + bytes(range(8)) + b"..."
    with open_log(config.log) as log:
        log.append([Outgoing(encode(event(0))), Outgoing(newer), Outgoing(encode(event(2)))])
    with subscribe("s", config=config, follow=False) as subscription:
        assert next(subscription).run_id == "r0"
        for _ in range(2):
            with pytest.raises(UnknownSchemaError):
                next(subscription)
        assert subscription.position.format() == "0:1"
    with subscribe("s", config=config) as subscription, pytest.raises(UnknownSchemaError):
        next(subscription)


def test_a_name_has_one_subscriber(config: Config) -> None:
    with subscribe("s", config=config), pytest.raises(ConfigurationError, match="in use"):
        subscribe("s", config=config)
    subscribe("s", config=config).close()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 300])
def test_a_name_that_is_no_file_name_is_refused(config: Config, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name"):
        subscribe(name, config=config)


def test_another_log_under_the_same_name_is_refused(config: Config) -> None:
    append(config, event(0))
    hear(config)
    for path in Path(config.home).glob("log.db*"):
        path.unlink()
    append(config, event(0))
    with pytest.raises(LogIdentityError, match="another log"):
        hear(config)


def test_a_damaged_cursor_is_named(config: Config) -> None:
    hear(config)
    (config.home / "subscriptions" / "s.json").write_text("{")
    with pytest.raises(ConfigurationError, match="no cursor"):
        hear(config)


def test_a_closed_subscription_gives_nothing(config: Config) -> None:
    append(config, event(0))
    subscription = subscribe("s", config=config)
    assert isinstance(subscription, Subscription)
    subscription.close()
    subscription.close()
    assert list(subscription) == []


def test_the_cursor_is_stored_while_it_waits(config: Config) -> None:
    append(config, event(0))
    with subscribe("s", config=config, where=lambda each: each.run_id == "r2") as subscription:
        append(config, event(2))
        assert next(subscription).run_id == "r2"
        stored = (config.home / "subscriptions" / "s.json").read_text()
    assert '"position": "' in stored
