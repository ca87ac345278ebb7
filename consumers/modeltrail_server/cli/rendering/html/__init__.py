"""Answers as one self-contained HTML page, fit to attach to a ticket: no script, no network. Pure."""
