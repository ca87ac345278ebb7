"""From the log to the relational read model: each event once, the same state whatever the order."""
