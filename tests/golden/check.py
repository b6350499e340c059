"""What the golden logs give, as hashes: `python -m tests.golden.check`. expected.sha256 has what they must give."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from grouping import Config, Engine, Malformed, emit, parse
from grouping.records import Output, Refused

HERE = Path(__file__).parent
# So that the log has explored decisions, and incidents that are full or too old; as in config.toml.
TIGHT = Config(explore=0.4, size_max=12, age_max_s=1800.0)


def played(lines: bytes, config: Config) -> tuple[list[list[Output]], Engine]:
    """The outputs of each line, and the engine after the last."""
    engine = Engine(config)
    outputs: list[list[Output]] = []
    for line in lines.splitlines():
        try:
            outputs.append(engine.step(parse(line)))
        except Malformed as error:
            outputs.append([Refused(error.scope, error.id, str(error))])
    return outputs, engine


def logs() -> dict[str, tuple[bytes, Config]]:
    """The committed logs, and the configuration of each."""
    return {
        "log": ((HERE / "log.jsonl").read_bytes(), TIGHT),
        "taught": (gzip.decompress((HERE / "taught.jsonl.gz").read_bytes()), Config()),
    }


def hashes() -> str:
    """What the logs give: the outputs, and the state at the end, every stored feature included."""
    lines = []
    for name, (log, config) in logs().items():
        outputs, engine = played(log, config)
        said = b"".join(emit(number, one) for number, each in enumerate(outputs, 1) for one in each)
        for what, content in (("outputs", said), ("snapshot", engine.snapshot())):
            lines.append(f"{hashlib.sha256(content).hexdigest()}  {name} {what}\n")
    return "".join(lines)


if __name__ == "__main__":
    print(hashes(), end="")
