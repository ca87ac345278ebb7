"""A Kafka of several local nodes, each broker and controller, to kill one of."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.local_kafka import LocalKafka
from services.server_process import free_ports

JAVA_OPTIONS = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class KafkaNodes:
    """``count`` nodes of one cluster. A quorum of controllers must run for any of them to start."""

    def __init__(self, folder: Path, count: int = 3) -> None:
        ports = free_ports(2 * count)
        pairs = list(zip(ports[::2], ports[1::2], strict=True))
        voters = ",".join(f"{number}@127.0.0.1:{pair[1]}" for number, pair in enumerate(pairs, 1))
        replicas = str(count)
        self.nodes: Sequence[LocalKafka] = [
            LocalKafka(
                folder / f"node{number}",
                ports=pair,
                java_options=JAVA_OPTIONS,
                settings={
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "offsets.topic.replication.factor": replicas,
                    "transaction.state.log.replication.factor": replicas,
                    "transaction.state.log.min.isr": "2",
                    "replica.lag.time.max.ms": "3000",
                },
            )
            for number, pair in enumerate(pairs, 1)
        ]

    @property
    def bootstrap(self) -> str:
        """Return the brokers' addresses, separated by commas."""
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """Start all, which wait for each other."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(LocalKafka.start, self.nodes))

    def close(self) -> None:
        """Stop all."""
        for node in self.nodes:
            node.kill()
