"""From answers to what a person reads (Rich text) or a program does (JSON). Pure: no printing, no terminal."""
