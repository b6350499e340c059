"""The one thing pyproject.toml cannot say: what an alert passes through is compiled where there is a C compiler.

The numeric core is C (_kernel.c), with numpy as its definition; the road around it is this package's own typed Python,
compiled by mypyc. Without a compiler the package installs all the same, and Python and numpy do the work: the same
bytes, at less than a third of the speed.
"""

import runpy
import sys
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

layout = runpy.run_path("grouping/layout.py")
constants = [(f"G_{name}", str(value)) for name, value in layout.items() if type(value) is int]  # G_CODE among them

kernel = Extension(
    "grouping._kernel",
    ["grouping/_kernel.c"],
    depends=["grouping/layout.py"],
    define_macros=constants,
    extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],
    optional=True,
)

ROAD = """
    apply arena before candidates codec correct decide draw emit engine featurise grounds guard keyspace learn lessons
    lifecycle made memory parse policy promote promotion recent records regroup scope score state steer template title
    tune
    learners/linear learners/rules
""".split()


LIBRARY = "grouping._road__mypyc"  # all of it; what is named like a module only points there


class Build(build_ext):
    """All of the road is compiled, or nothing."""

    def build_extension(self, ext: Extension) -> None:
        """Build one; raises CompileError, which lets an optional one go."""
        pointer = ext is not kernel and ext.name != LIBRARY
        if pointer and not Path(self.get_ext_fullpath(LIBRARY)).exists():
            raise CompileError(f"{LIBRARY} was not compiled")
        super().build_extension(ext)


def road() -> list[Extension]:
    """The modules of the road as one library. A command that only asks for names and versions does without."""
    if {"dist_info", "egg_info", "sdist"} & set(sys.argv):
        return []
    options = ["--config-file=", "--ignore-missing-imports"]  # orjson is not there when pip builds apart
    paths = [f"grouping/{name}.py" for name in ROAD]
    modules = mypycify([*options, *paths], opt_level="1", debug_level="0", group_name="grouping._road")
    for module in modules:
        module.optional = True
        # No fused steps: the same bits on every machine.
        module.extra_compile_args = [*module.extra_compile_args, "-ffp-contract=off"]
    return modules


setup(ext_modules=[kernel, *road()], cmdclass={"build_ext": Build})
