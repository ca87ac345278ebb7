"""The run that made a version, and its recipe, from the read model."""

from modeltrail_schemas.identity import run_key

from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.records import ModelVersionView, RunView
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.reproduction.recipe import Recipe, recipe_of
from modeltrail_server.reproduction.workshop import NotReproducibleError


def find_recipe(snapshot: Snapshot, name: str) -> tuple[RunView, Recipe]:
    """Return the run (of a model version, the last that made it) and its recipe. Raises NotReproducibleError."""
    view = answer(snapshot, latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run"))))
    if isinstance(view, ModelVersionView):
        if not view.made_by:
            raise NotReproducibleError(
                f"no run is recorded that made {name}", remedy=f"see what is: modeltrail check {name}"
            )
        view = view.made_by[-1]
    assert isinstance(view, RunView)
    stored = snapshot.events_of_runs([run_key(view.run_id)])
    return view, recipe_of(view, [item.event for item in stored])
