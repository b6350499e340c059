"""docs/kafka.md: its commands are run with Kafka's own, and its table of rights is enough."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grouping.runtimes.store import kept_in
from tests.kafka.broker import JARS, LIMITED, PASSWORD
from tests.kafka.stage import ROOT, Stage, events

PAGE = (ROOT / "docs" / "kafka.md").read_text()
CLASSES = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
}
pytestmark = pytest.mark.xdist_group("kafka")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Kafka's commands, from the jars of the broker, and ours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, main in CLASSES.items():
        (folder / name).write_text(f"#!/bin/sh\nexec java -Xmx128m -cp '{JARS}/*' {main} \"$@\"\n")
        (folder / name).chmod(0o755)
    (folder / "grouping").write_text(f'#!/bin/sh\nexec {sys.executable} -m grouping "$@"\n')
    (folder / "grouping").chmod(0o755)
    return folder


def run(command: str, tools: Path, where: Path) -> str:
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=where, capture_output=True, text=True, env={**os.environ, **path}, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout + done.stderr


def test_day_one_and_day_two_go_as_the_page_says(broker, tools, tmp_path):
    """Topics made, an event by each way in, what was decided, why, and what was learned; the state itself is refused."""
    part = PAGE.partition("## Day one")[2].partition("\n## ")[0]
    blocks = [
        block.replace("localhost:9092", broker.address) for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    ]
    begin, talk, look = (block.splitlines() for block in blocks)
    stage = Stage(broker.address, "", tmp_path, 8)
    worker, options = begin[0].split()[0], begin[0].replace("127.0.0.1:9464", "127.0.0.1:0").split()[1:]
    assert worker == "grouping"
    options[options.index("state/one")] = str(tmp_path / "state" / "one")
    process = stage.start("-m", "grouping", *options)
    try:
        stage.until(lambda: stage.log().count("made the topic") == 6, what="the topics")
        stage.until(lambda: stage.log().count("taken over, goes on with event 0") == 8, what="the partitions")
        run(talk[0], tools, tmp_path)
        run(talk[1], tools, tmp_path)
        stage.until(lambda: b'"alert":"a1"' in b"".join(stage.decisions()), what="the decision of the inbox")
        said = run(talk[2], tools, tmp_path)
        assert '"alert":"a1"' in said
        assert '"alert":"a2"' in said
        assert "events" in run(talk[3], tools, tmp_path)

        state = tmp_path / "state" / "one"
        stage.until(lambda: tells(state), what="a checkpoint")
        assert "a2: open" in run(look[0], tools, tmp_path)
        assert '"scope"' in run(look[1], tools, tmp_path)
        process.terminate()
        assert process.wait(20) == 0
        refused(state)
    finally:
        stage.close()


def tells(state: Path) -> bool:
    """Whether a2 can be explained."""
    command = [sys.executable, "-m", "grouping", "explain", "a2", "--scope", "shop", "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def refused(directory: Path) -> None:
    """What cannot be had from a worker's state says where it is, and never to remove it."""
    of_shop = kept_in(directory, "shop")
    wrong = {
        ("explain", "a2", "--scope", "nobody", "--state", directory): "none of them has scope 'nobody'",
        ("outputs", directory): "each a state directory (0000, 0001, ",
        ("outputs", of_shop): "its outputs are in the topic decisions",
        ("model", "reset", "--scope", "shop", "--state", of_shop): "whose truth is the topic: send `policy` events",
    }
    for arguments, said in wrong.items():
        done = subprocess.run(
            [sys.executable, "-m", "grouping", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert said in done.stderr, done.stderr
        assert "remove" not in done.stderr


def test_the_rights_of_the_page_are_enough(stage, broker, tools, tmp_path):
    """A worker with those and no others takes from the inbox, decides, writes down, and is taken over after a kill."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    rows = re.findall(r"^\| (topic|group|transactional-id) \| `(\S+)`(.*?) \| ([\w, ]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 9

    def allow(row: tuple[str, str, str, str]) -> None:
        kind, name, begins, operations = row
        told = "".join(f" --operation {one}" for one in operations.split(", "))
        more = " --resource-pattern-type prefixed" if begins else ""
        command = f"kafka-acls.sh --bootstrap-server {broker.address} --add --allow-principal User:{LIMITED}"
        run(f"{command} --{kind} {stage.prefix}{name}{more}{told}", tools, tmp_path)

    def allow_all(kind: str) -> None:
        with ThreadPoolExecutor(3) as several:
            list(several.map(allow, [row for row in rows if row[0] == kind]))

    security = tmp_path / "security.toml"
    lines = {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "username": LIMITED, "password": PASSWORD}
    lines["ca_file"] = str(broker.authority)
    security.write_text("".join(f"{key} = {value!r}\n" for key, value in lines.items()))
    secure = Stage(broker.secure, stage.prefix, stage.home)
    try:
        for kind, missing in (("topic", "group"), ("group", "transactional id"), ("transactional-id", "")):
            allow_all(kind)
            if missing:
                assert secure.worker(kind, "--security", str(security)).wait(60) == 2
                assert f"Error: {missing} {stage.prefix}grouping" in stage.log(kind)
        worker = secure.worker("one", "--security", str(security))
        stage.produce([(None, value) for _, value in events(0, 100)], "inbox")
        stage.produce([(None, b"nonsense")], "inbox")
        stage.until(lambda: sum(map(len, stage.read("events"))) == 100, what="the last of the inbox")
        stage.until(lambda: any(stage.read("dead_letters")), what="the letter")
        stage.until_settled()
        worker.kill()
        worker.wait()
        stage.produce(events(100, 100))
        secure.worker("two", "--security", str(security))
        stage.until_settled()
        assert "Authorization" not in stage.log("one") + stage.log("two")
    finally:
        secure.close()
