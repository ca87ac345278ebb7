"""Whether an event is there is asked of the log, not of how far its read model happens to be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.config import load
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import new_event_id
from modeltrail_server.api.finding import IDS_A_QUERY, EventFinder, ReadModelBehindError
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up

KNOWN, UNKNOWN = (new_event_id(10**18, emitter) for emitter in (b"12345678", b"87654321"))
PAYLOAD = encode(LineageEvent(KNOWN, "run", "OTHER", 10**18, run_id="r"))


def test_an_event_that_is_in_an_embedded_log_is_found_though_nobody_projected_it(tmp_path: Path) -> None:
    config = load({"MODELTRAIL_HOME": str(tmp_path)}, tmp_path)
    with open_log(config.log) as log:
        finder = EventFinder(config, log.end)
        assert finder.payloads([KNOWN]) == {}
        log.append([Outgoing(PAYLOAD)])
        others = {number.to_bytes(16) for number in range(1, 2 * IDS_A_QUERY)}
        assert finder.payloads({KNOWN, UNKNOWN} | others) == {KNOWN: PAYLOAD}
        finder.close()


@pytest.mark.service
def test_as_long_as_a_topic_is_not_projected_whether_an_event_is_there_is_not_known(
    kafka_bootstrap: str, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    address = f"kafka://{kafka_bootstrap}/{new_topic()}"
    config = load({"MODELTRAIL_HOME": str(tmp_path), "MODELTRAIL_LOG": address}, tmp_path)
    engine = open_engine(config.database)
    with open_log(config.log) as log:
        finder = EventFinder(config, log.end, timeout_ms=100)
        assert finder.payloads([UNKNOWN]) == {}
        log.append([Outgoing(PAYLOAD)])
        with pytest.raises(ReadModelBehindError) as error:
            finder.payloads([KNOWN])
        assert "status" in error.value.remedy
        catch_up(log, engine)
        assert finder.payloads([KNOWN, UNKNOWN]) == {KNOWN: PAYLOAD}
        finder.close()
    engine.dispose()
