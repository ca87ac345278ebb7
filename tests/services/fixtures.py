"""The real Kafka and the real PostgreSQL of the tests, started when a test first asks for one.

Each comes from docker-compose.yml where a Docker engine answers, else as a local process of the same software. With
neither, the tests that ask are skipped, or fail under CI=true. MODELTRAIL_TEST_SERVICES=docker|local allows one way
only. The summary says which way was taken.
"""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import psycopg
import pytest
from pytest_docker.plugin import DockerComposeExecutor, Services
from services.kafka_nodes import KafkaNodes
from services.local_kafka import LocalKafka
from services.local_postgres import LocalPostgres
from services.secure_kafka import GuardedKafka, SecureKafka
from services.secure_postgres import SecurePostgres
from services.server_process import ServiceUnavailableError, free_ports
from sqlalchemy.engine import make_url

COMPOSED_SERVICES = ("kafka", "postgres")
REMOVAL = "down --volumes --timeout 5"
DOCKER_ANSWER_TIMEOUT_S = 20
ADMIN_TIMEOUT_MS = 30_000

TopicFactory = Callable[..., str]
DatabaseFactory = Callable[[], str]
Postgres = TypeVar("Postgres", bound=LocalPostgres)
Kafka = TypeVar("Kafka", bound=LocalKafka)

_ways = pytest.StashKey[dict[str, str]]()


@pytest.hookimpl(trylast=True)  # below the coverage, where the last lines show it
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how each service that a test asked for was provided."""
    ways = config.stash.get(_ways, {})
    if ways:
        terminalreporter.section("real services")
    for service, way in sorted(ways.items()):
        terminalreporter.write_line(f"{service}: {way}")


@pytest.fixture(scope="session")
def compose(request: pytest.FixtureRequest) -> Services | None:
    """Return the running compose project, or None where local processes are to be used."""
    allowed = os.environ.get("MODELTRAIL_TEST_SERVICES")
    if allowed not in (None, "", "docker", "local"):
        pytest.fail(f"MODELTRAIL_TEST_SERVICES={allowed}: it is docker or local, or not set")
    if allowed == "local":
        return None
    if not _docker_answers():
        if allowed == "docker":
            pytest.fail("MODELTRAIL_TEST_SERVICES=docker, and no Docker engine with compose v2 answers")
        return None
    try:
        services: Services = request.getfixturevalue("docker_services")
    except Exception as error:
        # pytest-docker removes only what came up as a whole.
        names = ("docker_compose_command", "docker_compose_file", "docker_compose_project_name")
        DockerComposeExecutor(*map(request.getfixturevalue, names)).execute(REMOVAL)
        if allowed == "docker":
            raise
        _record(request, "docker compose", f"failed, so not used: {str(error)[-500:]}")
        return None
    return services


@pytest.fixture(scope="session")
def docker_compose_file(pytestconfig: pytest.Config) -> str:
    """Return the file users start the services with: the tests start the same."""
    return str(pytestconfig.rootpath / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_command(tmp_path_factory: pytest.TempPathFactory, shared_buffers: str) -> str:
    """Return the command, which publishes the services on ports that are free now."""
    kafka_port, postgres_port = free_ports(2)
    settings = tmp_path_factory.mktemp("compose") / "environment"
    ports = f"KAFKA_PORT={kafka_port}\nPOSTGRES_PORT={postgres_port}\n"
    settings.write_text(f"{ports}POSTGRES_SHARED_BUFFERS={shared_buffers}\n")
    return f'docker compose --env-file "{settings}"'


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    """Return a name of this run's own, so that it finds and removes its own volumes only."""
    return f"modeltrail-tests-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def docker_setup() -> str:
    """Return the compose verb that starts the services and waits until they are healthy."""
    return f"up --detach --wait {' '.join(COMPOSED_SERVICES)}"


@pytest.fixture(scope="session")
def docker_cleanup() -> str:
    """Return the compose verb that leaves nothing behind."""
    return REMOVAL


@pytest.fixture(scope="session")
def kafka_bootstrap(
    request: pytest.FixtureRequest, compose: Services | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return HOST:PORT of a real broker that all tests share; its topics are made with ``new_topic``."""
    if compose is not None:
        _record(request, "kafka", "docker compose")
        yield f"127.0.0.1:{compose.port_for('kafka', 9092)}"
        return
    with closing(_local_kafka(request, tmp_path_factory.mktemp("kafka"))) as broker:
        broker.start()
        yield broker.bootstrap


@pytest.fixture(scope="session")
def new_topic(kafka_bootstrap: str) -> TopicFactory:
    """Return ``new_topic(partitions=1, **settings) -> name``: a topic nobody else uses.

    Settings are Kafka's with underscores for dots: ``message_timestamp_type="LogAppendTime"``.
    """

    def make(partitions: int = 1, **settings: str) -> str:
        return make_topic(kafka_bootstrap, partitions, **settings)

    return make


@pytest.fixture(scope="session")
def shared_buffers() -> str:
    """Return how much memory the shared PostgreSQL keeps pages in: not what it takes by itself, so that it shows."""
    return "96MB"


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest, compose: Services | None, shared_buffers: str) -> Iterator[str]:
    """Return the SQLAlchemy URL of a real server that all tests share; data goes where ``new_database`` says."""
    if compose is not None:
        _record(request, "postgresql", "docker compose")
        yield f"postgresql+psycopg://modeltrail:modeltrail@127.0.0.1:{compose.port_for('postgres', 5432)}/modeltrail"
        return
    make = partial(LocalPostgres, settings={"shared_buffers": shared_buffers})
    with closing(_local_postgres(request, make)) as server:
        server.start()
        yield server.url


@pytest.fixture
def new_database(postgres_url: str) -> Iterator[DatabaseFactory]:
    """Return ``new_database() -> url``: an empty database each time, dropped when the test ends."""
    with fresh_databases(postgres_url) as make:
        yield make


@pytest.fixture
def new_schema(postgres_url: str) -> Iterator[DatabaseFactory]:
    """Return ``new_schema() -> url``: an empty schema of the server's database each time, dropped when the test ends.

    For tests that make many: a database costs seconds to drop, a schema hundredths.
    """
    made = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex}"
        _administer(postgres_url, f"CREATE SCHEMA {name}")
        made.append(name)
        its_own = {"options": f"-c search_path={name}", "application_name": name}
        return make_url(postgres_url).update_query_dict(its_own).render_as_string(hide_password=False)

    yield make
    for name in made:
        left = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        _administer(postgres_url, left)
        _administer(postgres_url, f"DROP SCHEMA {name} CASCADE")


@contextmanager
def fresh_databases(server: str) -> Iterator[DatabaseFactory]:
    """Give what makes an empty database each time; all are dropped at the end."""
    made = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex}"
        _administer(server, f"CREATE DATABASE {name}")
        made.append(name)
        return make_url(server).set(database=name).render_as_string(hide_password=False)

    yield make
    for name in made:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def breakable_kafka(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalKafka]:
    """Return a running broker of this test's own, always a local process: to kill, pause and start again."""
    with closing(_local_kafka(request, tmp_path / "kafka")) as broker:
        broker.start()
        yield broker


@pytest.fixture(scope="session")
def secure_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """Return a running broker with a listener that wants TLS and a user, always a local process."""
    folder = tmp_path_factory.mktemp("secure") / "kafka"
    with closing(_local_kafka(request, folder, SecureKafka)) as broker:
        broker.start()
        yield broker


@pytest.fixture(scope="session")
def guarded_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """Return a running broker whose users have the rights that a test grants, always a local process."""
    folder = tmp_path_factory.mktemp("guarded") / "kafka"
    with closing(_local_kafka(request, folder, GuardedKafka)) as broker:
        broker.start()
        yield broker


@pytest.fixture
def breakable_postgres(request: pytest.FixtureRequest) -> Iterator[LocalPostgres]:
    """Return a running server of this test's own, always a local process: to kill, pause and start again."""
    with closing(_local_postgres(request)) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def secure_postgres(request: pytest.FixtureRequest) -> Iterator[SecurePostgres]:
    """Return a running server that wants TLS and a password, always a local process."""
    with closing(_local_postgres(request, SecurePostgres)) as server:
        server.start()
        yield server


def start_nodes(request: pytest.FixtureRequest, folder: Path) -> KafkaNodes:
    """Return a running Kafka of three nodes, always local processes; the caller closes it."""
    try:
        nodes = KafkaNodes(folder)
    except ServiceUnavailableError as reason:
        _give_up(request, "kafka", str(reason))
    _record(request, "kafka", "local process")
    try:
        nodes.start()
    except BaseException:
        nodes.close()
        raise
    return nodes


def make_topic(bootstrap: str, partitions: int = 1, **settings: str) -> str:
    """Make a topic with a name of its own on the broker at ``bootstrap`` and return the name when it can be used."""
    from kafka import KafkaAdminClient  # takes 0.4 s, which a run without Kafka need not spend

    name = f"test-{uuid.uuid4().hex}"
    configs = {setting.replace("_", "."): value for setting, value in settings.items()}
    with KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ADMIN_TIMEOUT_MS) as admin:
        admin.create_topics(
            {name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}},
            wait_for_metadata=True,
        )
    return name


def told_by_server(url: str, setting: str) -> str:
    """Return what the PostgreSQL server at ``url`` says that a setting of its own is."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        return str(connection.execute("SELECT current_setting(%s)", [setting]).fetchone()[0])  # type: ignore[index]


def _administer(url: str, statement: str) -> None:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _local_kafka(request: pytest.FixtureRequest, folder: Path, kind: type[Kafka] = LocalKafka) -> Kafka:
    try:
        broker = kind(folder)
    except ServiceUnavailableError as reason:
        _give_up(request, "kafka", str(reason))
    _record(request, "kafka", "local process")
    return broker


def _local_postgres(request: pytest.FixtureRequest, make: Callable[[], Postgres] = LocalPostgres) -> Postgres:
    try:
        server = make()
    except ServiceUnavailableError as reason:
        _give_up(request, "postgresql", str(reason))
    _record(request, "postgresql", "local process")
    return server


def _give_up(request: pytest.FixtureRequest, service: str, reason: str) -> NoReturn:
    _record(request, service, f"NONE, its tests did not run: {reason}")
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real {service}, and CI=true: {reason}")
    pytest.skip(f"no real {service}: {reason}")


def _record(request: pytest.FixtureRequest, service: str, way: str) -> None:
    ways = request.config.stash.setdefault(_ways, {})
    if way not in ways.setdefault(service, way):
        ways[service] += f", {way}"


def _docker_answers() -> bool:
    """Return whether an engine and compose v2 are there; neither is started."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            subprocess.run(
                command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=DOCKER_ANSWER_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError):
            return False
    return True
