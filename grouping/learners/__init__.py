"""Learners: all that sign the promise in base.py. They know arrays, not incidents."""
