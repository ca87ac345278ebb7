"""Hypothesis strategies for events, shared by the tests of every layer that handles them."""
