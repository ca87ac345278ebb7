"""Pages to be shared: whole in one file, nothing from the network, and no name is ever markup."""

import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from modeltrail_schemas.event import Description, Metric
from modeltrail_schemas.names import EntityRef
from modeltrail_server.cli.rendering.html.drawing import MAX_DRAWN, draw
from modeltrail_server.queries.graph import Direction, Edge, Graph, Node
from told_history import dataset, model

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp;"
VOID = {"meta", "br", "wbr"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """A page as a browser reads it: its elements, attributes and text; checks that they are closed in order."""

    def __init__(self, markup):
        super().__init__()
        self.elements, self.attributes, self.words, self.open = [], [], [], []
        self.feed(markup)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def hostile(told):
    """Return the seed case, and another version of which every word is markup."""
    used = EntityRef("dataset", HOSTILE, HOSTILE, HOSTILE, "", HOSTILE)
    told.run(
        "run-2",
        job="risk/fraud-train",
        inputs=(used,),
        parameters={HOSTILE: f'"{HOSTILE}"'},
        metrics=(Metric(HOSTILE, 0.5, 1, 0, used),),
        tags={HOSTILE: HOSTILE},
        commit=HOSTILE,
        command=(HOSTILE,),
        seeds={HOSTILE: HOSTILE},
    )
    told.run("run-2", "COMPLETE", job="risk/fraud-train", outputs=(model("risk/fraud@1.3"),))
    name = model("risk/fraud")
    told.tell("model", "DESCRIBED", subjects=(name,), descriptions=(Description(name, HOSTILE, (HOSTILE,)),))
    told.declare("ALIASED", model("risk/fraud@1.3"), alias=HOSTILE, by=HOSTILE, why=HOSTILE)
    return told


def written(modeltrail, file, *arguments):
    """Return the page that a command writes."""
    code, out, err = modeltrail(*arguments, "--html", file)
    assert (code, out) == (0, ""), err
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "fraud@1.3"),
        ("show", "run-2"),
        ("show", "dataset_v3"),
        ("show", "job:risk/clean"),
        ("compare", "fraud@1.2", "fraud@1.3"),
    ],
)
def test_nothing_recorded_is_markup_and_nothing_comes_from_elsewhere(hostile, modeltrail, tmp_path, arguments):
    page = Page(written(modeltrail, tmp_path / "page.html", *arguments))

    assert not {"script", "img", "link", "iframe", "object"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert "svg" in page.elements
    if "1.3" in arguments[-1]:
        assert "<script>" in "".join(page.words)


def test_a_page_shows_owner_description_check_lineage_and_values(told, modeltrail, tmp_path):
    name = model("risk/fraud")
    told.tell("model", "DESCRIBED", subjects=(name,), descriptions=(Description(name, "Stops fraud.", ("ana",)),))
    told.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")

    words = " ".join(Page(written(modeltrail, tmp_path / "page.html", "show", "fraud")).words)

    for expected in (
        "owner ana",
        "Stops fraud.",
        "RETRACTED",
        "wrong labels",
        "risk/raw@9f1",
        "0.95",
        "scikit-learn",
    ):
        assert expected in words


def test_a_large_graph_is_drawn_in_part_and_says_so():
    nodes = {f"dataset:{n}": Node(f"dataset:{n}", "dataset", dataset(f"d@{n}")) for n in range(300)}
    edges = tuple(Edge(f"dataset:{n + 1}", f"dataset:{n}", "input") for n in range(299))

    drawn = draw(Graph("dataset:0", Direction.UP, nodes, edges))

    assert drawn.count("<rect") == MAX_DRAWN
    assert "150 more are not drawn" in drawn


def test_a_cycle_is_drawn_once():
    nodes = {f"dataset:{n}": Node(f"dataset:{n}", "dataset", dataset(f"d@{n}")) for n in range(2)}
    edges = (Edge("dataset:0", "dataset:1", "input"), Edge("dataset:1", "dataset:0", "input"))

    assert draw(Graph("dataset:0", Direction.BOTH, nodes, edges)).count("<rect") == 2


@pytest.mark.service
@pytest.mark.parametrize("width", [1200, 420])
def test_a_browser_shows_the_page_without_the_window_scrolling_sideways(hostile, modeltrail, tmp_path, width):
    if BROWSER is None:
        pytest.skip("NO CHROMIUM: the pages were not looked at in a browser (apt-get install chromium)")
    file = tmp_path / "page.html"
    markup = written(modeltrail, file, "show", "fraud@1.3")
    probe = "<script>document.title = document.documentElement.scrollWidth + ' of ' + innerWidth</script>"
    free = markup.partition('<meta http-equiv="Content-Security-Policy"')
    file.write_text(free[0] + free[2].partition(">")[2].replace("</body>", probe + "</body>"), encoding="utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}")

    done = subprocess.run(
        [BROWSER, *options, f"--window-size={width},900", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    seen, _, inner = done.stdout.partition("<title>")[2].partition("</title>")[0].partition(" of ")
    assert int(seen) <= int(inner)
