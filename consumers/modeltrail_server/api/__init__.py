"""The HTTP service: health, metrics, and OpenLineage in. FastAPI is imported by this package only."""
