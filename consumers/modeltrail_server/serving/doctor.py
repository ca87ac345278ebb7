"""What the doctor sees of the server's parts: database, audit folder, consumer groups. It mends nothing."""

import shutil
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from modeltrail.config import Config
from modeltrail.doctor import Finding, Level
from modeltrail.doctor.findings import judge_skew
from modeltrail.doctor.machine import MIN_FREE_BYTES, megabytes
from modeltrail.errors import ConfigurationError, LogUnavailableError
from modeltrail.log.filesystem import network_filesystem
from modeltrail.log.opening import KafkaAddress, parse_address
from modeltrail_schemas.counting import counted
from sqlalchemy import Engine, text

from modeltrail_server import audit
from modeltrail_server.audit.following import group_of
from modeltrail_server.audit.keys import read_key
from modeltrail_server.projection.engine import explained, open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.serving.roles import GROUP

if TYPE_CHECKING:
    from modeltrail.log.kafka_cluster import Cluster

MAX_SKEW_S = 5.0
COORDINATOR_WAIT_S, COORDINATOR_RETRY_S = 20.0, 0.5
OLDEST_POSTGRESQL = 14
_PACKAGES = ("sqlalchemy", "psycopg", "fastapi")
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
_ABOUT_POSTGRESQL = text(
    "SELECT extract(epoch FROM clock_timestamp())::float8, current_setting('server_version_num')::int, current_user, "
    "current_setting('default_transaction_read_only') = 'on' "
    "OR NOT has_schema_privilege(current_schema(), 'CREATE'), "
    "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"
)


def examine_server_versions(_: Config) -> Iterator[Finding]:
    """Yield the versions of what the server is made of."""
    yield Finding(Level.OK, "versions", ", ".join(f"{package} {version(package)}" for package in _PACKAGES))


def examine_database(config: Config) -> Iterator[Finding]:
    """Yield what was found of the read model's database. Raises what connecting raises."""
    engine = open_engine(config.database)
    try:
        if engine.dialect.name == "postgresql":
            yield from _examine_postgresql(engine)
        else:
            path = Path(str(engine.url.database))
            yield from _examine_disk("database", path.parent, "a SQLite file")
            if not path.exists():
                yield Finding(Level.OK, "database", f"there is none at {path} yet: the first question makes it")
                return
        try:
            with reading(engine) as (_, tables):
                yield Finding(Level.OK, "database", f"the read model answers, generation {tables.generation}")
        except LookupError:
            yield Finding(Level.OK, "database", "it answers; nothing was projected into it yet")
    finally:
        engine.dispose()


def examine_audit(config: Config) -> Iterator[Finding]:
    """Yield what was found of the audit folder. Raises what reading it raises."""
    if not (config.audit / audit.layout.KEY).exists():
        yield Finding(Level.OK, "audit", f"none is kept in {config.audit}")
        return
    read_key(config.audit)
    yield from _examine_disk("audit", config.audit, "its locks")
    signed = sum(one.head.size for one in audit.status(config.audit).partitions)
    yield Finding(Level.OK, "audit", f"{counted(signed, 'record is', 'records are')} signed in {config.audit}")


def examine_groups(config: Config) -> Iterator[Finding]:
    """Yield whether projectors and auditors may share partitions. Raises what connecting raises."""
    address = parse_address(config.log)
    if not isinstance(address, KafkaAddress):
        return
    from modeltrail.log.kafka_cluster import Cluster

    groups = [("projectors", GROUP)]
    if (config.audit / audit.layout.KEY).exists():
        groups.append(("auditors", group_of(read_key(config.audit))))
    cluster = Cluster(address.bootstrap, address.topic, config.log_options)
    try:
        for who, group in groups:
            if "READ" in _operations(cluster, group):
                yield Finding(Level.OK, "permissions", f"{who} may share partitions as the group {group}")
            else:
                yield Finding(
                    Level.WARNING,
                    "permissions",
                    f"this user may not read as the group {group}, as {who} must that run as this user",
                    f"grant READ on it (kafka-acls.sh --add --group {group} --operation READ)",
                )
    finally:
        cluster.close()


def _operations(cluster: "Cluster", group: str) -> Sequence[str]:
    """Return what this user may do with a group. The first question about any makes brokers prepare."""
    from kafka import errors

    deadline_s = time.monotonic() + COORDINATOR_WAIT_S
    while True:
        try:
            with cluster.explained():
                described = cluster.admin.describe_groups([group], include_authorized_operations=True)[group]
            # Of a group that was never used the brokers tell only whether this user may ask, which READ includes.
            operations: Sequence[str] = described.get("authorized_operations") or ("READ",)
            return operations
        except ConfigurationError:
            return ()  # not even allowed to ask
        except LogUnavailableError as error:
            if not isinstance(error.__cause__, errors.CoordinatorNotAvailableError) or time.monotonic() > deadline_s:
                raise
            time.sleep(COORDINATOR_RETRY_S)


EXAMINERS = (examine_server_versions, examine_database, examine_audit, examine_groups)


def _examine_postgresql(engine: Engine) -> Iterator[Finding]:
    with explained(engine), engine.connect() as connection:
        connection.execute(text("SELECT 1"))  # what connecting takes is none of the clock's
        before_s = time.time()
        server_s, number, user, is_reader, is_encrypted = connection.execute(_ABOUT_POSTGRESQL).one()
        after_s = time.time()
    release = number // 10_000
    told = f"PostgreSQL {release} answers as {user}, {'which may only read' if is_reader else 'which may write'}"
    yield Finding(Level.OK, "database", f"{told}, {'with' if is_encrypted else 'without'} TLS")
    if release < OLDEST_POSTGRESQL:
        yield Finding(
            Level.WARNING,
            "versions",
            f"PostgreSQL {release} is older than {OLDEST_POSTGRESQL}, the oldest that is tested",
            "upgrade it: the read model is rebuilt, not moved (modeltrail rebuild)",
        )
    if not is_encrypted and (engine.url.host or "") not in _LOOPBACK and not (engine.url.host or "").startswith("/"):
        yield Finding(
            Level.WARNING,
            "database",
            f"what goes to {engine.url.host} is not encrypted",
            "add sslmode=verify-full and sslrootcert to the address",
        )
    yield judge_skew((before_s + after_s) / 2 - server_s, "the database's", MAX_SKEW_S + (after_s - before_s))


def _examine_disk(about: str, folder: Path, what: str) -> Iterator[Finding]:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < MIN_FREE_BYTES:
        yield Finding(
            Level.WARNING, about, f"{megabytes(free_bytes)} are free at {existing}", "free space on that disk"
        )
    if kind := network_filesystem(existing):
        yield Finding(
            Level.WARNING,
            about,
            f"{existing} is on a network file system ({kind}), where {what} cannot be trusted",
            "put it on a local disk",
        )
