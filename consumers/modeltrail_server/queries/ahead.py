"""What a lineage upward will ask for, fetched for many steps at once: a long chain costs no more than a short one.

It only ever saves statements, and decides nothing: what was not fetched is asked for step by step.
"""

from collections.abc import Collection, Iterable, Mapping

from modeltrail_schemas.identity import entity_key
from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.graph import Node
from modeltrail_server.queries.names import VERSIONED_KINDS
from modeltrail_server.queries.rows import ActivityLink, EntityLink
from modeltrail_server.queries.snapshot import Snapshot

MAX_LINKS = 5_000
MAX_ROOM = 1_000
NODES_OF_A_RUN = 2  # itself and its commit
NODES_TO_SPARE = 10


class Ahead:
    """The links upward of one search."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._makers: dict[bytes, list[ActivityLink]] = {}
        self._uses: dict[bytes, list[EntityLink]] = {}
        self._too_much = False

    def look(self, nodes: Mapping[bytes, Node], keys: Collection[bytes], room: int) -> None:
        """Fetch what lies up of these of ``nodes``, as far as a graph with room for so many more will reach.

        Nearly every named thing comes with a run, so there are half as many of them. Where there is more than is
        fetched at once, this looks ahead no more.
        """
        unknown = [key for key in keys if key not in self._makers]
        if not unknown or self._too_much:
            return
        room = min(room, MAX_ROOM)
        found = self._snapshot.sources_of_entities(unknown, limit=len(unknown) + room // 2)
        makers = self._snapshot.activities_of_entities(found, ["output"], limit=MAX_LINKS)
        made = _made_within(found, makers, at_least=len(unknown), room=room + NODES_TO_SPARE)
        activities = {key: None for links in made.values() for link in links if (key := link.link.activity_key)}
        uses = self._snapshot.entities_of_activities(activities, ["input", "commit"], limit=MAX_LINKS)
        self._too_much = max(len(makers), len(uses)) >= MAX_LINKS
        if self._too_much:
            return
        self._makers |= made
        self._uses |= {key: [] for key in activities}
        for use in uses:
            self._uses[use.link.activity_key or b""].append(use)
        refs = {key: nodes[key].ref for key in unknown} | {use.link.entity_key: use.entity for use in uses}
        self._look_closer(made, {key: ref for key, ref in refs.items() if ref.kind in VERSIONED_KINDS}, uses)

    def _look_closer(self, keys: Collection[bytes], refs: Mapping[bytes, EntityRef], uses: list[EntityLink]) -> None:
        """Fetch together what inference and flags will ask of what was found."""
        nameless = {key for key, ref in refs.items() if not ref.identity}
        names = {(ref.kind, ref.namespace, ref.name) for ref in refs.values()}
        models = [key for key, ref in refs.items() if ref.kind == "model" and ref.identity]
        self._snapshot.remember(
            links=models,
            firsts=models,
            marked=refs.keys() | set(keys),
            retracted=[entity_key(*name) for name in names],
            before={(use.link.entity_key, use.link.event_time_ns) for use in uses if use.link.entity_key in nameless},
        )

    def makers(self, entities: Collection[bytes]) -> list[ActivityLink] | None:
        """Return the links of these to what made them; None where some were not fetched."""
        if not all(key in self._makers for key in entities):
            return None
        return [link for key in entities for link in self._makers[key]]

    def uses(self, activities: Collection[bytes]) -> list[EntityLink] | None:
        """Return the links of these runs and jobs to what they used; None where some were not fetched."""
        if not all(key in self._uses for key in activities):
            return None
        return [use for key in activities for use in self._uses[key]]


def _made_within(
    keys: Iterable[bytes], makers: Iterable[ActivityLink], *, at_least: int, room: int
) -> dict[bytes, list[ActivityLink]]:
    """Return what made each of ``keys``, nearest first: of so many of them, and until they fill ``room`` for nodes.

    A run is taken to come with a commit of its own: where it does not, this was not far enough, and is done again.
    """
    links: dict[bytes, list[ActivityLink]] = {key: [] for key in keys}
    for link in makers:
        links[link.link.entity_key].append(link)
    made: dict[bytes, list[ActivityLink]] = {}
    activities: set[bytes | None] = set()
    for key, own in links.items():
        if len(made) >= at_least and len(made) + NODES_OF_A_RUN * len(activities) >= room:
            break
        made[key] = own
        activities |= {link.link.activity_key for link in own}
    return made
