"""What is told of one version is asked for in few round trips: contents and declarations together."""

import pytest
from modeltrail_server.projection import fetching
from modeltrail_server.queries.answering import view_dataset, view_model
from modeltrail_server.queries.names import resolve
from told_history import dataset, model


@pytest.mark.parametrize(
    ("view", "name"), [(view_model, "model:fraud@1"), (view_dataset, "dataset:raw@1")], ids=["a model", "a dataset"]
)
def test_contents_and_declarations_of_a_version_are_looked_up_together(history, monkeypatch, view, name):
    history.declare("REGISTERED", model("fraud@1", digest="sha256:" + "a" * 64))
    history.declare("RETRACTED", dataset("raw@1", digest="sha256:" + "b" * 64), why="wrong")
    trips, fetch_sqlite = [], fetching._fetch_sqlite
    monkeypatch.setattr(fetching, "_fetch_sqlite", lambda *asked: trips.append(asked[1]) or fetch_sqlite(*asked))
    with history.asked() as snapshot:
        subject = resolve(snapshot, name)
        trips.clear()
        told = view(snapshot, subject)
        contents = [texts for texts in trips if any(snapshot.tables.content.name in text for text in texts)]

    assert told.detail.digests
    (together,) = contents
    assert any(snapshot.tables.link.name in text for text in together)
