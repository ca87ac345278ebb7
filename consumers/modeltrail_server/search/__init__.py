"""Search over runs: the language, an index of its own with its own progress, and how an answer is found in it."""
