"""What producers and consumers agree on: events, their wire form, their order, and the OpenLineage mapping.

Nothing here opens a socket, a database or a file other than the schemas that ship beside it.
"""
