"""History read again: into a database, as of any point, into counts only, or into another topic."""
