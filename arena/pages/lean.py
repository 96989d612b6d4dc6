"""Keeps a page of Panel's cheap to open, and cheap to others once it is open.

Opening one took 200 ms of a core, and each press on any page cost something on every other one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from bokeh import __version__
from bokeh.core.has_props import is_DataModel
from bokeh.core.serialization import Serialized, Serializer
from bokeh.document import Document
from bokeh.document.json import DocJson
from bokeh.model import Model
from bokeh.settings import settings
from panel.config import config
from panel.io import server
from panel.io.resources import Resources, bundle_resources
from panel.io.state import state


def without_diagnostics() -> None:
    """Has Bokeh take callbacks as they are, and name no similar attributes where one is missing:
    help for who writes a page, for which every page would pay a tenth of what it costs."""
    settings.perform_error_diagnostics = False


def without_busy_count() -> None:
    """Has Panel count no events under way, for which every one made a few lists of all of them:
    there is no sign on any page that would show it, and a tenth of the server's time went there
    with a hundred voters."""
    for name in ("_add_busy_event", "_remove_busy_event"):
        setattr(type(state), name, _ignore)


def _ignore(_state: object, _event: str) -> None:
    pass


def keep_bundles() -> None:
    """Has Panel find out once which scripts and styles a kind of page loads, and not for each page
    anew by asking all the components there are: half of what a page costs."""
    # The server's module has the function under its own name.
    if not isinstance(vars(server)["bundle_resources"], _Kept):
        vars(server)["bundle_resources"] = _Kept(bundle_resources)


class _Kept:
    def __init__(self, find: Any) -> None:
        self._find = find
        self._found: dict[tuple[Any, ...], tuple[str, ...]] = {}

    def __call__(self, roots: list[Model], resources: Resources) -> tuple[str, ...]:
        kinds = frozenset(type(each) for root in roots for each in root.references())
        place = (state.rel_path, resources.mode, resources.root_url, config.theme)
        if (key := (*place, kinds)) not in self._found:
            # Formulas are drawn by the browser itself.
            self._found[key] = tuple(self._find(roots, resources, enable_mathjax=False))
        return self._found[key]


def define_what_is_there(document: Document) -> None:
    """Sends the definitions of the components that it has, which are two of the hundred and fifty
    that the process knows. Only for a page that never gets others."""
    vars(document)["to_json"] = partial(_to_json, document)


def _to_json(document: Document, *, deferred: bool = True) -> Serialized[DocJson] | DocJson:
    serializer = Serializer(deferred=deferred)
    kinds = {type(each): None for each in document.models if is_DataModel(type(each))}
    content = DocJson(
        version=__version__,
        title=document.title,
        defs=serializer.encode(list(kinds)),
        config=serializer.encode(document.config),
        roots=serializer.encode(document.roots),
    )
    if document.callbacks.js_event_callbacks:
        content["callbacks"] = serializer.encode(document.callbacks.js_event_callbacks)
    document.models.flush_synced()
    return Serialized(content, buffers=serializer.buffers) if deferred else content
