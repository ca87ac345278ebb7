"""The sender's process: ``python -m modeltrail.sending HOME``, its settings as JSON on standard input.

It takes the place, loads what it needs, and leaves its parent by a fork: how the first process ends tells the one
that started it whether there is a sender now (0) or cannot be one.
"""

import json
import logging
import logging.handlers
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from modeltrail.config import Config, hidden
from modeltrail.sending.launching import TAKE_WAIT_S, import_log
from modeltrail.sending.place import Post, SendingPlace
from modeltrail.sending.syncing import SpoolSyncer
from modeltrail.spool.layout import spool_root

NICENESS = 5
MAX_LOG_BYTES = 256 * 1024
MAX_DESCRIPTORS = 65_536
_LOGGER = logging.getLogger("modeltrail")


def main() -> int:
    """Become the sender of a home and log, unless there is one; return the exit code of the first process."""
    os.closerange(3, MAX_DESCRIPTORS)  # what libraries of the training process let its children inherit
    os.chdir("/")
    settings = json.loads(sys.stdin.buffer.read())
    sys.path += [path for path in settings["paths"] if path not in sys.path]
    home = Path(settings["home"])
    config = Config(
        home=home,
        log=settings["log"],
        database="",
        audit=home,
        log_options=hidden(settings["log_options"]),
        sender_stay_s=settings["sender_stay_s"],
    )
    post = SendingPlace.of(home, config.log).take(wait_s=TAKE_WAIT_S)
    if post is None:
        return 0
    with SpoolSyncer(spool_root(home)).at_work():  # what is written already does not wait for what is loaded now
        from modeltrail.sending.sender import Sender  # fastavro loads here

        import_log(config)
    if os.fork():
        os._exit(0)
    _yield_to_training()
    _set_up_logging(post)
    sender = Sender(config, post, on_fault=lambda fault: _tell(config, fault))
    signal.signal(signal.SIGTERM, lambda *_: sender.terminate())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        sender.run()
    except Exception:
        _LOGGER.exception("the sender ended")
        return 1
    return 0


def _yield_to_training() -> None:
    os.nice(NICENESS)
    with suppress(OSError):  # Linux shares time among sessions first where autogroups are on: this one shall get less
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _set_up_logging(post: Post) -> None:
    """Log to a file that stays small; what is a warning is told to the processes of the home too."""

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            post.tell_notice(record.getMessage())

    logging.raiseExceptions = False  # a full disk is no reason to end
    _LOGGER.addHandler(Telling(logging.WARNING))
    root = logging.getLogger()
    file = logging.handlers.RotatingFileHandler(
        post.place.log_file, maxBytes=MAX_LOG_BYTES, backupCount=1, delay=True, encoding="utf-8"
    )
    file.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)
    root.setLevel(logging.INFO)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def _tell(config: Config, fault: str) -> None:
    _LOGGER.info("the log %s cannot be reached: %s" if fault else "the log %s is back%s", config.log, fault)


if __name__ == "__main__":
    sys.exit(main())
