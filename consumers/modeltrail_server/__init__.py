"""What runs beside the log: projection, audit, replay, queries and the command line."""
