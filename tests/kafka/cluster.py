"""Three Kafka brokers on this machine, so that one can die with its disk: each is a controller too."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.kafka.broker import COMMON, SMALL, free_ports, run

PATIENCE_S = 90.0
PROPERTIES = """
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
broker.session.timeout.ms=3000
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
"""


class Cluster:
    """Brokers 1, 2 and 3, whose data lies under ``home``."""

    def __init__(self, home: Path) -> None:
        ports = free_ports(6)
        voters = ",".join(f"{node}@127.0.0.1:{ports[node + 2]}" for node in (1, 2, 3))
        self.address = ",".join(f"127.0.0.1:{port}" for port in ports[:3])
        self._homes = {node: home / str(node) for node in (1, 2, 3)}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        for node, folder in self._homes.items():
            folder.mkdir(parents=True)
            plain, controller, logs = ports[node - 1], ports[node + 2], folder / "logs"
            own = {"node": node, "voters": voters, "plain": plain, "controller": controller, "logs": logs}
            (folder / "server.properties").write_text((COMMON + PROPERTIES).format(**own))

    def start(self, node: int) -> None:
        """Start a broker, with an empty disk where it has none."""
        if not (self._homes[node] / "logs").exists():
            self._run(node, "kafka.tools.StorageTool", "format", "-t", "groupingTestsCluster01", "-c").wait()
        self._processes[node] = self._run(node, "kafka.Kafka")

    def kill(self, node: int, *, wipe: bool = False) -> None:
        """Kill -9; ``wipe``: its disk is lost, too."""
        process = self._processes.pop(node)
        process.kill()
        process.wait()
        if wipe:
            shutil.rmtree(self._homes[node] / "logs")

    def close(self) -> None:
        """End all."""
        for node in list(self._processes):
            self.kill(node)

    def until_whole(self) -> None:
        """Wait until each broker has all of every topic there is."""
        asyncio.run(self._until_whole(time.monotonic() + PATIENCE_S))

    async def _until_whole(self, until: float) -> None:
        while True:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=2000)
            try:
                await admin.start()
                brokers = (await admin.describe_cluster())["brokers"]
                parts = [part for topic in await admin.describe_topics() for part in topic["partitions"]]
                if len(brokers) == 3 and all(len(part["isr"]) == 3 for part in parts):
                    return
            except (KafkaError, OSError):
                pass
            finally:
                await admin.close()
            assert time.monotonic() < until, "the cluster is not whole"
            await asyncio.sleep(0.2)

    def _run(self, node: int, *command: str) -> subprocess.Popen[bytes]:
        return run(self._homes[node], SMALL, *command)
