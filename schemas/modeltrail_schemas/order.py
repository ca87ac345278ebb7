"""The order of events: by event time, then by event id. It depends on nothing but the events themselves. Pure."""

from modeltrail_schemas.event import TERMINAL_STATES, Routing

OrderKey = tuple[int, bytes]


def order_key(event: Routing) -> OrderKey:
    """Return (event time in ns, event id): the total order of events."""
    return event.event_time_ns, event.event_id


def state_precedence(event: Routing) -> tuple[bool, int, bytes]:
    """Return the key by which a run's state is chosen, the greatest wins: terminal beats running, then the last."""
    return event.type in TERMINAL_STATES, event.event_time_ns, event.event_id
