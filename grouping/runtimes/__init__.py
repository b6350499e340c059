"""The doors: the only code that touches files, clocks and terminals."""
