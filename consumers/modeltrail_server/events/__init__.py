"""Events in and out of the log as files: OpenLineage JSON, JSON lines, Avro containers."""
