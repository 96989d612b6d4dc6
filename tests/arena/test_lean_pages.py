"""What a page costs beside what is on it."""

from __future__ import annotations

import gc
import weakref

from bokeh.document import Document
from panel.io.state import state
from panel_material_ui.template.base import Page

from rostra.arena.pages.lean import apart, define_what_is_there


def watchers() -> int:
    return len(state.param.watchers["busy"]["value"])


def test_a_page_is_told_of_its_own_work_alone_and_is_forgotten():
    before = watchers()
    page = Page(main=[])
    apart(page)
    assert watchers() == before
    page.loading = True
    assert page.busy
    gone = weakref.ref(page)
    del page
    gc.collect()
    assert gone() is None


def test_a_document_defines_what_it_has():
    document, whole = Document(), Document()
    for each in (document, whole):
        Page(main=["Some words."]).server_doc(each)
    define_what_is_there(document)
    lean, full = document.to_json(deferred=False), whole.to_json(deferred=False)
    kinds = {type(model).__name__ for model in document.models}
    assert {each["name"] for each in lean["defs"]} == {
        each["name"] for each in full["defs"] if each["name"] in kinds
    }
    assert len(lean["defs"]) < len(full["defs"])
    assert lean.keys() == full.keys()
