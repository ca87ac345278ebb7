"""Kill everything, again and again, then count: ``python -m faults.soak`` from tests/, or ``make soak``.

SOAK_KILLS kills (1,000), at moments that SOAK_SEED decides, for at most SOAK_SECONDS (3,600): three quarters of them
on the embedded log and SQLite, the rest on a real broker and a real PostgreSQL, which are killed too. Ends with a
table, and with 1 when anything is lost or doubled.
"""

import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
from event_cases import history, outgoing
from faults.processes import Worker
from faults.states import opened, undisturbed
from faults.work import audit_log, flush, project, train
from modeltrail.errors import LogUnavailableError
from modeltrail.log import open_log, read
from modeltrail.log.protocol import Log
from modeltrail_schemas.codec import decode
from modeltrail_server import audit
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.projector import catch_up
from services.fixtures import make_topic
from services.local_kafka import LocalKafka
from services.local_postgres import LocalPostgres
from services.server_process import ServerProcess, ServiceUnavailableError

EMBEDDED_SHARE = 0.75
RUNS_A_ROUND = 10
RESEND_CHANCE = 0.1
LONGEST_WAIT_S = 0.03
APPEND_TIMEOUT_S = 120
VICTIMS = {"projector": 45, "auditor": 30, "training": 9, "sender": 4, "flush": 7}
SERVER_VICTIMS = {"database": 3, "broker": 2}


@dataclass
class Counts:
    """What one place saw."""

    faults: Counter[str] = field(default_factory=Counter)
    emitted: int = 0
    logged: int = 0
    projected: int = 0
    audited: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)


class Place:
    """A log, a database, an audit folder and a home, with a projector and an auditor at work."""

    def __init__(self, folder: Path, address: str, database: str, servers: dict[str, ServerProcess]) -> None:
        self.home, self.folder, self.address, self.database = folder / "home", folder / "audit", address, database
        self.servers, self.counts = servers, Counts()
        self.last_steps: dict[str, int] = {}
        self.returned = 0
        self._start: dict[str, Callable[[], Worker]] = {
            "projector": lambda: Worker(project, address, database, batch_records=5),
            "auditor": lambda: Worker(audit_log, address, str(self.folder)),
        }
        with open_log(address) as log:
            audit.init(self.folder, "example.org/soak", log.identity)
        self.workers = {name: start() for name, start in self._start.items()}

    def round(self, number: int, chance: Random) -> None:
        """Emit something and kill somebody."""
        with open_log_patiently(self.address) as log:
            messages = history(RUNS_A_ROUND, seed=number)
            append_patiently(log, messages, self.counts)
            if chance.random() < RESEND_CHANCE:
                append_patiently(log, messages, Counts())
        choices = VICTIMS | {name: share for name, share in SERVER_VICTIMS.items() if name in self.servers}
        victim = chance.choices(list(choices), list(choices.values()))[0]
        if victim in self.workers:
            self._kill_worker(victim, chance)
        elif victim in self.servers:
            self.servers[victim].kill()
            time.sleep(chance.random())
            self.servers[victim].start()
        elif victim in ("training", "sender"):
            self._kill_training(f"run-{number}", chance, sender_too=victim == "sender")
        else:
            flushing = Worker(flush, str(self.home), self.address)
            flushing.wait_for("ready")
            time.sleep(chance.random() * LONGEST_WAIT_S)
            flushing.close()
        self.counts.faults[victim] += 1
        for name, worker in self.workers.items():
            worker.drain()
            if not worker.is_alive:
                self.counts.wrong.append(f"{name} ended by itself: {worker.heard[-2:]}")
                worker.close()
                self.workers[name] = self._start[name]()

    def finish(self) -> None:
        """Let everything come to rest, and count."""
        for worker in self.workers.values():
            worker.close()
        last = Worker(flush, str(self.home), self.address)
        if not last.wait_for("done")[2]:
            self.counts.wrong.append("the last flush did not bring everything to the log")
        last.close()
        self._kill_senders()
        with open_log_patiently(self.address) as log, opened(self.database) as engine:
            catch_up(log, engine)
            audit.follow(self.folder, log, once=True)
            records, digest = list(read(log, log.start(), log.end())), compute_digest(engine)
        counts = self.counts
        messages = [record.value for record in records]
        events = {event.event_id: event for event in map(decode, set(messages))}
        counts.logged, counts.projected = len(events), digest.counts["event"]
        counts.emitted += self.returned
        self._count_notes(events.values())
        counts.lost += max(0, counts.logged - counts.projected)
        counts.doubled += max(0, counts.projected - counts.logged)
        if digest.hex != undisturbed(messages).hex:
            counts.wrong.append("the digest is not that of an undisturbed projection")
        report, audited = audit.verify(self.folder), list(audit.read_records(self.folder))
        counts.audited = len({record.offset for record in audited})
        counts.lost += len({r.offset for r in records} - {r.offset for r in audited})
        counts.doubled += len(audited) - counts.audited
        counts.wrong += [str(fault) for fault in report.faults]
        if audited != records:
            counts.wrong.append("the audit log holds other records than the log")

    def _kill_worker(self, name: str, chance: Random) -> None:
        worker = self.workers[name]
        worker.wait_for("batch" if name == "projector" else "signed")
        time.sleep(chance.random() * LONGEST_WAIT_S)
        worker.close()
        self.workers[name] = self._start[name]()

    def _kill_training(self, run_id: str, chance: Random, *, sender_too: bool) -> None:
        training = Worker(train, str(self.home), self.address, run_id)
        training.wait_for("step", count=chance.randint(1, 300))
        if sender_too:
            self._kill_senders()
            training.wait_for("step", count=chance.randint(1, 300))
        training.kill()
        self.last_steps[run_id] = max(message[1] for message in training.heard if message[0] == "step")
        self.returned += self.last_steps[run_id] + 2  # and the START
        training.close()

    def _kill_senders(self) -> None:
        """Kill whoever sends for this home."""
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if command[2:4] == ["-m", "modeltrail.sending"] and command[4] == str(self.home):
                process.kill()

    def _count_notes(self, events) -> None:  # type: ignore[no-untyped-def]
        steps: dict[str, Counter[int]] = {}
        for event in events:
            steps.setdefault(event.run_id, Counter()).update(metric.step for metric in event.metrics)
        for run_id, last_step in self.last_steps.items():
            found = steps.get(run_id, Counter())
            self.counts.lost += len(set(range(last_step + 1)) - set(found))
            self.counts.doubled += sum(found.values()) - len(found)


def append_patiently(log: Log, messages: list[bytes], counts: Counts) -> None:
    """Append; where it is not known whether the log has them, append them again."""
    deadline = time.monotonic() + APPEND_TIMEOUT_S
    while True:
        try:
            log.append(outgoing(messages))
        except LogUnavailableError:
            if time.monotonic() > deadline:
                raise
        else:
            counts.emitted += len(messages)
            return


def open_log_patiently(address: str) -> Log:
    """Return the open log; a broker that was just started may need a moment."""
    deadline = time.monotonic() + APPEND_TIMEOUT_S
    while True:
        try:
            return open_log(address)
        except LogUnavailableError:
            if time.monotonic() > deadline:
                raise


def main() -> int:
    """Return the exit code."""
    kills = int(os.environ.get("SOAK_KILLS") or 1_000)
    seed = int(os.environ.get("SOAK_SEED") or secrets.randbits(32))
    deadline = time.monotonic() + float(os.environ.get("SOAK_SECONDS") or 3_600)
    print(f"to repeat: SOAK_KILLS={kills} SOAK_SEED={seed} make soak", flush=True)
    chance, results = Random(seed), {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modeltrail-soak-")))
        embedded = folder / "embedded"
        places = {"embedded, SQLite": (embedded, str(embedded / "log.db"), f"sqlite:///{embedded / 'model.db'}", {})}
        try:
            broker = stack.enter_context(LocalKafka(folder / "kafka"))
            database = stack.enter_context(LocalPostgres())
            address = f"kafka://{broker.bootstrap}/{make_topic(broker.bootstrap)}"
            servers = {"database": database, "broker": broker}
            places["Kafka, PostgreSQL"] = (folder / "services", address, database.url, servers)
        except ServiceUnavailableError as reason:
            print(f"no real services: {reason}")
        for name, arguments in places.items():
            share = 1.0 if len(places) == 1 else EMBEDDED_SHARE if not arguments[3] else 1 - EMBEDDED_SHARE
            place, started = Place(*arguments), time.monotonic()
            until = started + (deadline - started) * (share if len(results) < len(places) - 1 else 1)
            for number in range(1, round(kills * share) + 1):
                if time.monotonic() > until:
                    print(f"{name}: time is up after {number - 1} kills")
                    break
                place.round(number, chance)
            place.finish()
            results[name] = place.counts
            print(f"{name}: {place.counts.faults.total()} kills in {time.monotonic() - started:.0f} s", flush=True)
    return show(results)


def show(results: dict[str, Counts]) -> int:
    """Print the table; return 1 when something is lost, doubled or wrong."""
    print(f"\n{'':22}" + "".join(f"{name:>20}" for name in results))
    for fault in (*VICTIMS, *SERVER_VICTIMS):
        print(f"{'killed: ' + fault:22}" + "".join(f"{counts.faults[fault]:20,}" for counts in results.values()))
    for row in ("emitted", "logged", "projected", "audited", "lost", "doubled"):
        print(f"{row:22}" + "".join(f"{getattr(counts, row):20,}" for counts in results.values()))
    print(
        "emitted: notes and events whose call returned. logged, projected: events. audited: records, resent ones too."
    )
    for name, counts in results.items():
        for what in counts.wrong:
            print(f"WRONG  {name}: {what}")
    return int(any(counts.lost or counts.doubled or counts.wrong for counts in results.values()))


if __name__ == "__main__":
    sys.exit(main())
