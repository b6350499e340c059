"""Settings of the tests that draw their cases."""

import os

from hypothesis import settings

# No deadline: a machine with other work to do is slow, not wrong. With CI set every run draws the same cases.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
