"""What surrounds a run: its commit, command line, seeds, software and hardware. Each module reads one of them."""
