"""OpenLineage JSON (specification 2-0-2) to events and back. Pure: bytes in, bytes out."""
