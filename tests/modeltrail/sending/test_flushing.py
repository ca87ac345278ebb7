"""A flush is complete when the log has everything, the ends of runs whose processes died included."""

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.sending.flushing import _Waiting, flush_spools
from modeltrail.spool.acknowledgement import write_acknowledged
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.layout import events_file, spool_root
from modeltrail.spool.ownership import adopt, discard
from modeltrail.spool.writing import SpoolWriter

DEAD = """
import sys
from pathlib import Path
from modeltrail.spool.writing import SpoolWriter
SpoolWriter.create(Path(sys.argv[1]), "e1", host=sys.argv[2], log=sys.argv[3])
"""


@pytest.mark.parametrize(("host", "is_left"), [(socket.gethostname(), True), ("another machine", False)])
def test_the_spool_of_an_ended_process_is_left_until_it_is_gone_though_the_log_has_its_notes(
    config: Config, host: str, is_left: bool
) -> None:
    """The sender, which holds its lock now, has still to end its runs. Whether one elsewhere lives is not known."""
    subprocess.run([sys.executable, "-c", DEAD, str(spool_root(config.home)), host, config.log], check=True)
    folder = spool_root(config.home) / "e1"
    write_acknowledged(folder, SpoolDrain(folder).written())
    waiting = _Waiting(config)
    held = adopt(folder)
    assert held is not None
    assert waiting.left() is is_left
    discard(held)
    held.release()
    assert not waiting.left()


def test_at_last_the_word_of_the_log_is_enough(config: Config) -> None:
    subprocess.run(
        [sys.executable, "-c", DEAD, str(spool_root(config.home)), socket.gethostname(), config.log], check=True
    )
    folder = spool_root(config.home) / "e1"
    write_acknowledged(folder, SpoolDrain(folder).written())
    waiting = _Waiting(config)
    held = adopt(folder)
    assert held is not None
    assert waiting.left()
    assert not waiting.left(at_last=True)
    held.release()


def test_why_the_log_takes_nothing_is_told_while_it_is_waited_for(config: Config) -> None:
    with closing(SpoolWriter.create(spool_root(config.home), "e1", host="h", log=config.log)) as writer:
        writer.append(b'{"kind":"run","type":"START","run_id":"r","event_time_ns":1000,"emitter":{"id":"e1"}}')
    Path(config.log).write_bytes(b"a shopping list, which is long enough to be no database of anybody's")
    heard: list[str] = []
    flushed = flush_spools(config, timeout_ms=500, on_fault=heard.append)
    assert not flushed.is_complete
    assert len(heard) == 1
    assert "is not a log of modeltrail" in heard[0]
    assert heard[0] == flushed.fault


def test_a_spool_that_cannot_be_written_is_why_a_flush_was_not_complete(config: Config) -> None:
    subprocess.run(
        [sys.executable, "-c", DEAD, str(spool_root(config.home)), socket.gethostname(), config.log], check=True
    )
    events_file(spool_root(config.home) / "e1", 1).mkdir()
    flushed = flush_spools(config, timeout_ms=500)
    assert not flushed.is_complete
    assert "a spool cannot be read or written" in flushed.fault
    assert "Is a directory" in flushed.fault
