"""A projector that follows LOG into DATABASE until its standard input ends, as `serve --role projector` does."""

import sys
import threading

from modeltrail.log import open_log
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import prepare
from modeltrail_server.projection.projector import Projector


def follow(log_address: str, database: str) -> None:
    stop, engine = threading.Event(), open_engine(database)
    with open_log(log_address) as log, Projector(log, engine, group="latency") as projector:
        prepare(engine, log.identity)
        following = threading.Thread(target=projector.run, args=(stop,))
        following.start()
        print("following", flush=True)
        sys.stdin.read()
        stop.set()
        following.join()
    engine.dispose()


if __name__ == "__main__":
    follow(sys.argv[1], sys.argv[2])
