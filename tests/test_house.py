"""The rules of the house, read from the source: who may import whom, what the core never touches, what a file holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "grouping"
STANDARD = sys.stdlib_module_names
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__pycache__" not in path.parts
}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}

# The core: everything at the top level and the learners, formats and the like below it; not the doors.
DOORS = ("grouping.__main__", "grouping.commands", "grouping.runtimes")
MAKERS = ("grouping.simulate",)  # makes streams; it draws numbers from a generator with a seed
OFF_THE_ROAD = (
    "grouping.views",
    "grouping.outlets",
    *MAKERS,
    "grouping.evaluate",
    "grouping.decided",
    "grouping.board",
    "grouping.responder",
    "grouping.offpolicy",
    "grouping.backtest",
    "grouping.ledger",
    "grouping.carry",
    "grouping.adwin",
    "grouping.quality",
    "grouping.calibration",
)  # decides nothing


def under(name: str, *prefixes: str) -> bool:
    """Whether a module is one of these or stands below one."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


CORE = [name for name in SOURCES if not under(name, *DOORS)]
ROAD = [name for name in CORE if not under(name, *OFF_THE_ROAD)]

# -- who may import whom

ALONE = {"records", "config", "draw", "layout", "title"}
ARRAYS = {"arena", "score", "pairs"}
STEPS = {"parse", "candidates", "featurise", "score", "decide", "learn", "tune", "promote", "apply", "correct", "emit"}
CALLERS = {"engine", "steer", "__init__"}
SHARED = {  # what is not a type and yet shared
    ("learn", "score", "log2_table"),  # a table
    ("regroup", "score", "log2_table"),
    ("guard", "tune", "play"),  # what a rule makes of alerts
    ("lifecycle", "featurise", "value_of"),  # how a field is read
    ("lifecycle", "featurise", "kind_of"),
    ("state", "learn", "count_up"),  # what waits to be counted, before it is written down
}

# All of the standard library that can touch nothing outside: no file, socket, clock, thread, environment.
PURE = set(
    "__future__ abc array base64 binascii bisect collections copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq hmac itertools math operator re statistics string struct types typing zlib".split()
)
PACKAGES = {"numpy", "orjson"}


def imports(name: str) -> Iterator[tuple[str, str]]:
    """Every (module, imported name) of a module; the name is empty for `import module`."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: line {node.lineno}: a relative import; name the package"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in SOURCES or f"{inner}.__init__" in SOURCES:  # `from grouping import learn`
                    yield inner, ""
                else:
                    yield node.module or "", alias.name


def strangers(name: str, *welcome: str) -> list[str]:
    """Imports of a module that are neither of the standard library nor welcome."""
    found = {module for module, _ in imports(name)}
    return [
        f"{name} imports {module}"
        for module in sorted(found)
        if module.partition(".")[0] not in STANDARD and not under(module, *welcome)
    ]


def test_records_and_constants_stand_alone():
    """Records, config, draw, layout and title import the standard library alone; template the compiled core too."""
    assert [wrong for name in sorted(ALONE) for wrong in strangers(f"grouping.{name}")] == []
    assert strangers("grouping.template", "grouping.kernel") == []


def test_the_numeric_core_knows_arrays_only():
    """Arena and score import numpy, the layout and the compiled core: no alert, no incident."""
    welcome = ("numpy", "grouping.layout", "grouping.kernel")
    found = [wrong for name in sorted(ARRAYS) for wrong in strangers(f"grouping.{name}", *welcome)]
    assert found == []


def test_learners_know_arrays_only():
    """Learners import numpy, the layout, the score and each other; river in river.py alone."""
    welcome = ("numpy", "grouping.layout", "grouping.score", "grouping.learners")
    found = []
    for name in SOURCES:
        if under(name, "grouping.learners"):
            found += strangers(name, *welcome, *(["river"] if name == "grouping.learners.river" else []))
    assert found == []


def test_steps_do_not_call_each_other():
    """The engine alone calls the steps: every other part of the core takes at most types from them."""
    found = []
    for name in CORE:
        own = name.removeprefix("grouping.").removesuffix(".__init__")
        if own in CALLERS or under(name, *OFF_THE_ROAD) or under(name, "grouping.learners"):
            continue
        if under(name, "grouping.formats"):  # they stand before the road, and speak as its door does
            continue
        for module, what in imports(name):
            step = module.removeprefix("grouping.")
            if step in STEPS and not what[:1].isupper() and (own, step, what) not in SHARED:
                found.append(f"{name} imports {what or 'the whole'} of {step}: let the engine call it")
    assert found == []


def test_only_the_engine_knows_the_whole_road():
    """Nothing but the package's door, the doors to the world and what measures imports the engine."""
    found = [name for name in ROAD if name != "grouping.__init__" and ("grouping.engine", "Engine") in imports(name)]
    assert found == []


# -- what the core never touches


def test_the_core_is_pure():
    """The core imports no runtime and nothing that could reach a file, socket, clock, thread or the environment."""
    found = []
    for name in CORE:
        welcome = PURE | PACKAGES | {"grouping"}
        if under(name, *MAKERS):
            welcome |= {"random"}
        if name.endswith(".river"):
            welcome |= {"river", "io", "pickle"}  # how river keeps a model
        if name == "grouping.formats.mapping":
            welcome |= {"jmespath"}
        if name == "grouping.formats.otlp_protobuf":
            welcome |= {"google", "opentelemetry"}
        if name == "grouping.formats.form":
            welcome |= {"urllib"}
            assert {module for module, _ in imports(name) if module.startswith("urllib")} == {"urllib.parse"}
        for module, _ in imports(name):
            if module.partition(".")[0] not in welcome or under(module, *DOORS):
                found.append(f"{name} imports {module}")
    assert found == []


WORLD = {"open", "input", "print", "exec", "eval", "compile", "breakpoint", "__import__"}
CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}


def calls(name: str) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call in a module with what is called: ("", "open") or ("datetime", "now")."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node, "", node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node, ast.unparse(node.func.value), node.func.attr


def test_the_core_does_not_look_around():
    """No call of open, print or a clock; and none of hash(), which differs from process to process."""
    found = []
    for name in CORE:
        for node, owner, called in calls(name):
            place = f"{name}: line {node.lineno}: {owner}{'.' if owner else ''}{called}"
            if (not owner and called in WORLD | {"hash"}) or (owner.startswith("date") and called in CLOCKS):
                found.append(place)
    assert found == []


def test_chance_comes_from_a_generator_with_a_seed():
    """Where streams are made, random.Random(seed) is the only source of chance: never the global one."""
    found = []
    for name in CORE:
        if not under(name, *MAKERS):
            continue
        found += [
            f"{name} imports random.{what}" for module, what in imports(name) if module == "random" and what != ""
        ]
        for node, owner, called in calls(name):
            if owner == "random" and (called != "Random" or not node.args):
                found.append(f"{name}: line {node.lineno}: random.{called}")
    assert [wrong for wrong in found if not wrong.endswith("imports random.Random")] == []


# Results that depend on the processor, the BLAS kernel or the mathematics library.
INEXACT = set(
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh dist erf exp exp2 expm1 gamma hypot lgamma log log10 log1p log2 "
    "logaddexp pow power sin sinh tan tanh arctan arctan2 sinc "
    "dot einsum inner matmul outer tensordot vdot convolve correlate linalg fft random".split()
)


def test_the_road_uses_exact_arithmetic():
    """No matrix product, no exp, log or power on the way to a decision: they differ from machine to machine."""
    found = []
    for name in ROAD:
        if name.endswith(".river"):
            continue  # says so in its own file and is not the default
        for node in ast.walk(TREES[name]):
            match node:
                case ast.Attribute(value=ast.Name(id="np" | "numpy" | "math" as owner), attr=attr) if attr in INEXACT:
                    found.append(f"{name}: line {node.lineno}: {owner}.{attr}")
                case ast.BinOp(op=ast.MatMult()):
                    found.append(f"{name}: line {node.lineno}: @")
                case ast.Attribute(attr="dot"):
                    found.append(f"{name}: line {node.lineno}: .dot")
        for module, what in imports(name):
            if module in ("math", "numpy") and what in INEXACT:
                found.append(f"{name} imports {module}.{what}")
    assert found == []


EVERYTHING = ("Exception", "BaseException")


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything: bare, Exception or BaseException."""
    if handler.type is None:
        return True
    return any(isinstance(part, ast.Name) and part.id in EVERYTHING for part in ast.walk(handler.type))


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler always ends by raising."""
    leaves = (ast.Return, ast.Continue, ast.Break)
    return isinstance(handler.body[-1], ast.Raise) and not any(isinstance(node, leaves) for node in ast.walk(handler))


def test_no_fault_is_swallowed():
    """The core names what it catches; a door may catch everything, to raise it again in its own words."""
    found = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and broad(node) and (name in CORE or not passes_on(node)):
                found.append(f"{name}: line {node.lineno}")
    assert found == []


# -- what a file says


def public(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes, methods included; not those inside of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_everything_public_says_what_it_is():
    """Every module that holds something, and every public class and function has a docstring."""
    found = [name for name, tree in TREES.items() if tree.body and not ast.get_docstring(tree)]
    for name, tree in TREES.items():
        found += [f"{name}: line {one.lineno}: {one.name}" for one in public(tree) if not ast.get_docstring(one)]
    assert found == []


def tree_files() -> list[Path]:
    """The files of the tree: those that git would commit, or all outside of environments and caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        made = re.compile(r"\.git|\.venv.*|.*cache.*|\.hypothesis|.*\.egg-info|demo|build|dist|state")
        names = [
            str(path.relative_to(ROOT))
            for path in ROOT.rglob("*")
            if not any(made.fullmatch(part) for part in path.relative_to(ROOT).parts[:-1])
        ]
    return [path for path in (ROOT / name for name in sorted(set(names)) if name) if path.is_file()]


# Written so that they do not find themselves.
MACHINES = re.compile(rb"(?<![\w.~-])/(?:work|root)/\w")
HOMES = re.compile(rb"(?<![\w.~-])/home/\w")
INDEXES = re.compile(rb"pypi\.org|python[h]osted|(?:--|_)(?:extra-)?index-url|(?:^|\s)--find-links")


def test_no_file_names_a_machine():
    """No path of somebody's machine and no address of a package index stands in any file."""
    found = []
    for path in tree_files():
        name, text = str(path.relative_to(ROOT)), path.read_bytes()
        # Alerts tell of paths, so the examples of them do.
        rules = [MACHINES, INDEXES] if name.startswith(("data/", "tests/")) else [MACHINES, HOMES, INDEXES]
        for rule in rules:
            found += [f"{name}: {hit.group().decode()}" for hit in rule.finditer(text)]
    assert found == []


def test_the_changelog_has_a_place_for_the_next_line():
    """CHANGELOG.md begins with what is not yet released, or with a version."""
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert re.match(r"\[?(?:Unreleased|\d+\.\d+)", heading[1])


def test_documents_name_what_is_there():
    """Each `make` target and each file of the core that the README or CONTRIBUTING name exists."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = []
    for name in ("README.md", "CONTRIBUTING.md"):
        if not (ROOT / name).exists():
            continue
        text = (ROOT / name).read_text()
        blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        code = "\n".join(blocks + spans)
        found += [f"{name}: make {word}" for word in re.findall(r"\bmake ([a-z]+)", code) if word not in targets]
        found += [
            f"{name}: {path}" for path in re.findall(r"\bgrouping/[\w/]+\.py\b", code) if not (ROOT / path).exists()
        ]
    assert found == []


def test_the_locks_hold_what_the_project_asks_for():
    """Each dependency of pyproject.toml stands in its locks, and everything in them has hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = {
        "run": project["dependencies"],
        "image": project["dependencies"] + extras["kafka"],
        "dev": project["dependencies"]
        + [one for name in ("dev", "kafka", "river", "otlp", "sns") for one in extras[name]],
        "bench": project["dependencies"] + extras["dev"] + extras["bench"],
        "fuzz": project["dependencies"] + extras["dev"] + extras["fuzz"],
    }
    pins = {}
    for lock, wanted in asked.items():
        entries = re.split(r"\n(?=\w)", (ROOT / "requirements" / f"{lock}.txt").read_text())
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
        pins[lock] = {entry.split(" ")[0] for entry in entries}
        names = {pin.split("==")[0] for pin in pins[lock]}
        assert [name for name in wanted if re.split(r"[^\w-]", name)[0] not in names] == []
    build = set(re.findall(r"^(\S+==\S+) ", (ROOT / "requirements" / "build.txt").read_text(), re.MULTILINE))
    assert pins["run"] - build <= pins["image"] <= pins["dev"] <= pins["bench"] & pins["fuzz"]


def test_the_tests_run_without_the_packages_of_others():
    """What the engine is only compared with is imported where it plays, and at the top of `benchmarks.beside` alone."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    others, installed = (
        {re.split(r"[^\w-]", one)[0] for name in names for one in extras[name]}
        for names in (["bench"], ["dev", "kafka", "river", "otlp", "sns"])
    )
    found: set[str] = set()
    for path in sorted((*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py"))):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(under(name, "benchmarks.beside", *(others - installed)) for name in names):
                found.add(path.stem)
    assert found == {"beside"}
