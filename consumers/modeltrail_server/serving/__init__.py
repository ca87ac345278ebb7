"""The long-running roles: a projector, an auditor, each until it is told to stop."""
