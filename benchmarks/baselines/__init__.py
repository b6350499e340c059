"""What others do, each from its documented behaviour: alerts in, one at a time, a label of an incident out.

Those of names.py group by themselves; those of learners.py decide inside the engine and learn from corrections.
"""
