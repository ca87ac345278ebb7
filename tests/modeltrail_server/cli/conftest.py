"""The history that the questions are put to."""

from told_history import fraud, history  # noqa: F401
