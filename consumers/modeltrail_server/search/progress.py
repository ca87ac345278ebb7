"""How far the search index follows the read model beside which it lies."""

from modeltrail.log.protocol import Position
from sqlalchemy import Connection, inspect, select

from modeltrail_server.projection.generations import as_position
from modeltrail_server.search.tables import search_tables_of


def indexed_position(connection: Connection, generation: int) -> Position | None:
    """Return up to where the log is indexed beside ``generation``; None where there is no index yet."""
    position = search_tables_of(generation).position
    if not inspect(connection).has_table(position.name):
        return None
    return as_position({row[0]: row[1] for row in connection.execute(select(*position.c))})
