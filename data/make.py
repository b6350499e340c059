"""Makes the samples again: `make data`."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import orjson

from data.example import PAGE, filled
from data import operations, shown
from data.respond import corrected
from grouping.runtimes.simulate import write
from grouping.simulate import WORKLOADS, simulate

HERE = Path(__file__).parent

if __name__ == "__main__":
    digests = []
    for name, workload in WORKLOADS.items():
        events = list(simulate(name, 1, alerts=3000 if workload.stream else None))
        digests.append(f"{hashlib.sha256(orjson.dumps(events)).hexdigest()}  {name}\n")
        if workload.stream is None:
            suffix = "jsonl" if name == "demo" else "jsonl.gz"
            write(name, 1, None, None, HERE / f"{name}.{suffix}", HERE / f"{name}.truth.csv")
    # A log with feedback, as a live service keeps it; demo.truth.csv is its truth too.
    with gzip.GzipFile(HERE / "demo.corrected.jsonl.gz", "wb", mtime=0) as file:
        file.writelines(orjson.dumps(event) + b"\n" for event in corrected("demo", simulate("demo", 1), "service~5s"))
    (HERE / "workloads.sha256").write_text("".join(digests))
    PAGE.write_text(filled(PAGE.read_text()))
    operations.PAGE.write_text(operations.filled(operations.PAGE.read_text()))
    for page in shown.PAGES:
        page.write_text(shown.filled(page.read_text()))
