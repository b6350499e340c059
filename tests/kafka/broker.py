"""One Kafka broker on this machine, from the jars of `make kafka`: started, stopped, killed, started again."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

JARS = Path(__file__).resolve().parent.parent.parent / "build" / "kafka" / "libs"
SMALL = "-Xms64m -Xmx160m -XX:+UseSerialGC -XX:TieredStopAtLevel=1".split()
USER, PASSWORD = "worker", "of the tests"
LIMITED = "limited"  # may do nothing that it is not allowed; the others may do all
# Of a small broker that is a controller too.
COMMON = """
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.io.buffer.size=65536
num.network.threads=1
num.io.threads=2
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
"""
PROPERTIES = """
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secure},SSL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{secure},SSL://127.0.0.1:{mutual}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{user};User:CN=broker
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.ssl.ssl.client.auth=required
broker.session.timeout.ms=2000
log.cleaner.backoff.ms=1000
message.max.bytes=8388608
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def why_not() -> str | None:
    """What is missing for a broker to be started here; None: nothing."""
    if not JARS.is_dir():
        return "no broker: run `make kafka`, or set KAFKA_BOOTSTRAP_SERVERS"
    missing = [name for name in ("java", "openssl") if shutil.which(name) is None]
    return f"no broker: {missing[0]} is not installed; or set KAFKA_BOOTSTRAP_SERVERS" if missing else None


def run(home: Path, java: Sequence[str], *command: str) -> subprocess.Popen[bytes]:
    """A command of Kafka's, for the broker whose server.properties lie in ``home``; ``java``: see Broker."""
    with (home / "broker.log").open("ab") as log:
        whole = ["java", *java, "-cp", f"{JARS}/*", *command, str(home / "server.properties")]
        return subprocess.Popen(whole, stdout=log, stderr=log, cwd=home)


class Broker:
    """A broker whose data lies in ``home``."""

    def __init__(self, home: Path, java: Sequence[str] = SMALL) -> None:
        """``java``: options of the virtual machine."""
        self._home, self._java = home, java
        plain, secure, mutual, controller = free_ports(4)
        self.address, self.secure = f"127.0.0.1:{plain}", f"127.0.0.1:{secure}"
        self.mutual = f"127.0.0.1:{mutual}"  # wants to see a certificate
        self.authority, self.key = home / "authority.pem", home / "key.pem"
        keystore = home / "keystore.pem"
        _certificate(self.authority, self.key, keystore, home)
        (home / "server.properties").write_text(
            (COMMON + PROPERTIES).format(
                plain=plain,
                secure=secure,
                mutual=mutual,
                authority=self.authority,
                controller=controller,
                user=USER,
                password=PASSWORD,
                keystore=keystore,
                logs=home / "logs",
            )
        )
        format = ["format", "-t", "groupingTestsCluster01", "-g"]
        for name in (USER, LIMITED):
            format += ["--add-scram", f'SCRAM-SHA-512=[name="{name}",password="{PASSWORD}"]']
        format.append("-c")
        self._run("kafka.tools.StorageTool", *format).wait()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._run("kafka.Kafka")
        asyncio.run(self._ready(time.monotonic() + 60))

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop it; SIGKILL for at once."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)

    def freeze(self) -> None:
        """Let it answer nobody, with all connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        return run(self._home, self._java, *command)

    async def _ready(self, until: float) -> None:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that it does not answer yet is no news
        while True:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=2000)
            try:
                await admin.start()
                if (await admin.describe_cluster())["brokers"]:
                    return
            except (KafkaError, OSError):
                pass
            finally:
                await admin.close()
            ended = self._process is None or self._process.poll() is not None
            assert not ended, f"the broker ended: {(self._home / 'broker.log').read_text()[-2000:]}"
            assert time.monotonic() < until, "the broker does not answer"
            await asyncio.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _certificate(authority: Path, key: Path, keystore: Path, home: Path) -> None:
    """A certificate for 127.0.0.1 that vouches for itself, and with its key as a keystore."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(authority)]
    subprocess.run(command + names, check=True, capture_output=True, env={**os.environ, "HOME": str(home)})
    keystore.write_text(key.read_text() + authority.read_text())
