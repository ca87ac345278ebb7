"""Apache Kafka as a local Java process: one node that is broker and controller, jars brought by Maven and cached.

Not a double: the same broker as in docker-compose.yml, with the same settings where they matter.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.maven import bring
from services.server_process import ServerProcess, ServiceUnavailableError, free_ports

POM = Path(__file__).with_name("kafka-pom.xml")
CLUSTER_ID = "bW9kZWx0cmFpbC10ZXN0cw"
# A short life in small memory: the quick compiler only. A benchmark passes its own.
JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1")
Settings = Mapping[str, str] | Callable[[dict[str, str]], Mapping[str, str]]
LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
"""


class LocalKafka(ServerProcess):
    """A broker on 127.0.0.1 whose files are in ``folder``; its ports stay the same over restarts.

    ``settings`` are lines of server.properties that win over ours, or what makes them from ours. Raises
    ServiceUnavailableError where Java or the jars cannot be had.
    """

    ready_text = "Kafka Server started"

    def __init__(
        self,
        folder: Path,
        *,
        settings: Settings | None = None,
        java_options: Sequence[str] = JAVA_OPTIONS,
        ports: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(folder)
        self._jars = bring_jars()
        self._java_options = java_options
        self._settings: Settings = settings or {}
        self._port, self._controller_port = ports or free_ports(2)

    @property
    def bootstrap(self) -> str:
        """Return the broker's address as HOST:PORT."""
        return f"127.0.0.1:{self._port}"

    def prepare(self) -> None:
        """Write the configuration and format the storage."""
        properties = server_properties(self.folder / "data", self._port, self._controller_port)
        properties |= self._settings(properties) if callable(self._settings) else self._settings
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        (self.folder / "log4j2.properties").write_text(LOGGING)
        format_storage = ["format", "-t", CLUSTER_ID, "-c", str(self._properties), *self.storage_options()]
        self._run([*self._java("kafka.tools.StorageTool"), *format_storage])

    def storage_options(self) -> list[str]:
        """Return what StorageTool is told besides."""
        return []

    def command(self) -> list[str]:
        """Return the command of the broker."""
        return [*self._java("kafka.Kafka"), str(self._properties)]

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self, main_class: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return ["java", *self._java_options, logging, "-cp", f"{self._jars}/*", main_class]


def server_properties(data: Path, port: int, controller_port: int) -> dict[str, str]:
    """Return the configuration of a node that is alone in its cluster."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"HOST://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"HOST://127.0.0.1:{port}",
        "listener.security.protocol.map": "HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "HOST",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker may register again only when its last session has expired: by default that takes 9 s.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
    }


def bring_jars() -> Path:
    """Return the folder of the broker's jars. Raises ServiceUnavailableError when Java or the jars cannot be had."""
    if shutil.which("java") is None:
        raise ServiceUnavailableError("there is no `java`: install a Java runtime of version 17 or newer")
    return bring(POM, "kafka")
