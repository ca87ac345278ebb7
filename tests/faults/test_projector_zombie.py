"""Promise 3, each event counts once: a projector that was frozen past its session, then wakes, cannot write."""

import signal

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import assert_covers_once, opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Position
from modeltrail_server.errors import DatabaseUnavailableError
from modeltrail_server.projection import engine as databases
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.projection.tables import tables_of
from services.fixtures import DatabaseFactory, TopicFactory
from sqlalchemy import select, update

pytestmark = [pytest.mark.fault, pytest.mark.service]


@pytest.mark.parametrize("point", ["read", "written"])
def test_a_frozen_projector_is_replaced_and_writes_nothing_when_it_wakes(
    point: str, kafka_bootstrap: str, new_topic: TopicFactory, new_database: DatabaseFactory, start: StartWorker
) -> None:
    address, database, messages = f"kafka://{kafka_bootstrap}/{new_topic()}", new_database(), history(100)
    group, options = database[-8:], {"point": point, "nth": 3, "signal_number": signal.SIGSTOP}
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages[:150]))
        # Frozen within its transaction it holds the position; the database ends that, here after a second.
        zombie = start(project, address, database, group=group, idle_in_transaction_s=1, **options)
        zombie.wait_until_frozen()
        heir = start(project, address, database, group=group)
        assert heir.wait_for("batch")[2] == 20
        wait_until_projected(engine, log.end())
        zombie.thaw()
        log.append(outgoing(messages[150:]))
        digest = wait_until_projected(engine, log.end())
        assert zombie.is_alive
        zombie.kill()
        heir.kill()
    assert digest.hex == undisturbed(messages).hex
    assert_covers_once(
        [message[1:4] for worker in (zombie, heir) for message in worker.heard if message[0] == "batch"]
    )


def test_a_transaction_that_stands_still_does_not_hold_the_position_for_ever(
    new_database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "IDLE_IN_TRANSACTION_S", 1)
    log = MemoryLog()
    log.append(outgoing(history(2)))
    database = new_database()
    # So that the heir gives up, and the test with it, should the frozen one be left alone.
    lock_timeout_url = f"{database}?options=-c%20lock_timeout%3D20s"
    with opened(database) as engine:
        catch_up(log, engine)
        log.append(outgoing(history(2, seed=2)))
        position = tables_of(1).position
        heirs: list[Position] = []

        def stand_still() -> None:
            with writing(engine) as frozen:
                frozen.execute(update(position).values(next_offset=0))
                with opened(lock_timeout_url) as heir:
                    heirs.append(catch_up(log, heir).position)
                frozen.execute(select(position))

        with pytest.raises(DatabaseUnavailableError):
            stand_still()
        assert heirs == [log.end()]
