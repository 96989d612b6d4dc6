"""What a page costs beside what is on it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import ClassVar

import panel as pn
from bokeh.document import Document
from panel.custom import JSComponent
from panel.io.state import state

from rostra.arena.pages.lean import define_what_is_there
from rostra.arena.pages.round_page import RoundPage
from rostra.arena.texts import texts


class Line(JSComponent):
    _esm: ClassVar[str] = "export function render() {}"


def test_a_document_defines_what_it_has():
    document, whole = Document(), Document()
    for each in (document, whole):
        Line().server_doc(each)
    define_what_is_there(document)
    lean, full = document.to_json(deferred=False), whole.to_json(deferred=False)
    kinds = {type(model).__name__ for model in document.models}
    assert {each["name"] for each in lean["defs"]} == {
        each["name"] for each in full["defs"] if each["name"] in kinds
    }
    assert len(lean["defs"]) < len(full["defs"])
    assert lean.keys() == full.keys()


def test_a_round_is_one_property_which_is_as_it_was_told_last():
    document = Document()
    page = RoundPage(texts("en"), kind="battle")
    page.server_doc(document, location=False)
    (root,) = document.roots
    page.status = "Wait."
    page._tell(phase="ended", status="Choose.")
    assert (page.phase, page.kind) == ("ended", "battle")
    sent = dict(root.data.properties_with_values())
    assert (sent["told"]["status"], sent["told"]["phase"]) == ("Choose.", "ended")
    assert "status" not in sent
    # A browser may say what it likes.
    root.data.told = {"phase": "voted"}
    assert page.phase == "ended"


def test_pages_share_nothing_that_they_tell():
    one, other = RoundPage(texts("en")), RoundPage(texts("en"))
    one.told["prompts"].append("x")
    assert other.prompts == []
    assert "notes" in other.told


def test_a_page_is_told_of_its_own_work_alone_and_is_forgotten():
    before = len(state.param.watchers.get("busy", {}).get("value", ()))
    page = RoundPage(texts("en"))
    assert len(state.param.watchers.get("busy", {}).get("value", ())) == before
    assert pn.state.curdoc is None
    gone = weakref.ref(page)
    del page
    gc.collect()
    assert gone() is None


def test_events_under_way_are_not_counted():
    # In a process of its own: every arena that is built here before has the counting off already.
    code = (
        "from panel.io.state import state\n"
        "from rostra.arena.pages.lean import without_busy_count\n"
        "state._add_busy_event('one')\n"
        "counted = len(state._busy_counter)\n"
        "state._remove_busy_event('one')\n"
        "without_busy_count()\n"
        "state._add_busy_event('another')\n"
        "print(counted, len(state._busy_counter), state.busy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0", "False"]


def test_a_server_starts_without_what_no_voter_s_page_needs():
    needless = "{'matplotlib', 'colorcet', 'scipy.stats', 'arviz', 'pymc', 'pytensor', 'pandas'}"
    code = f"import sys, rostra.arena.app; print(sorted({needless} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
