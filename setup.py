"""The one thing pyproject.toml cannot say: the numeric core is compiled where there is a compiler.

Without one the package installs all the same, and numpy does the work: the same bits, at about half the speed.
"""

import runpy

from setuptools import Extension, setup

layout = runpy.run_path("grouping/layout.py")
constants = [(f"G_{name}", str(value)) for name, value in layout.items() if type(value) is int]  # G_CODE among them

setup(
    ext_modules=[
        Extension(
            "grouping._kernel",
            ["grouping/_kernel.c"],
            depends=["grouping/layout.py"],
            define_macros=[*constants, ("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
