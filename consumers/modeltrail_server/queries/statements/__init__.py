"""The SELECT statements behind every question, each built once per generation and bound; a module for each noun.

Each one seeks an index by its bound keys and reads at most :row_limit rows: none reads a big table from end to end.
"""
