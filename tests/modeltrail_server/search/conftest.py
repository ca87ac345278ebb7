"""The history that is searched."""

from told_history import fraud, history  # noqa: F401
