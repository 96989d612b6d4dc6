"""What the admin page asks for and changes. The guard asks of each request who it is from."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import GuardedHandler
from rostra.arena.admin.export import exported
from rostra.arena.admin.figures import PERIODS
from rostra.arena.admin.form import FormError, error_of, files, settings_of
from rostra.arena.campaigns import stored
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ArenaError
from rostra.arena.pages.admin import DAYS, change_rows, form, parts
from rostra.arena.pages.frame import ADMIN
from rostra.arena.state import Arena
from rostra.arena.votes.transfer.export import ExportOptions
from rostra.arena.votes.transfer.forms import FORMS
from rostra.arena.votes.transfer.identities import IDENTITIES
from rostra.arena.votes.transfer.reading import Filter

logger = logging.getLogger(__name__)

ENDINGS = {
    "jsonl": ".jsonl",
    "parquet": ".parquet",
    "lmsys-battles": ".json",
    "lmsys-log": "-conv.json",
    "csv": ".csv",
    "pairs": "-pairs.json",
}
MOST_EXPORTS = 2
"""At once, of this process."""


class _Wanted(msgspec.Struct):
    """The body of a request that changes something."""

    campaign: str = ""
    contestant: str = ""
    version: int = 0
    """Of the campaign as the admin saw it; 0: a new one."""
    fields: dict[str, str | list[str]] = {}


class _AdminHandler(GuardedHandler):
    def initialize(self, arena: Arena) -> None:
        self._arena = arena
        self.set_header("Cache-Control", "no-store")

    @property
    def _who(self) -> str:
        voter = voter_of(self.request)
        return voter.name or voter.key

    def _refuse(self, status: int, line: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(line + "\n")

    def _say(self, **answer: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(answer))


class AdminFigures(_AdminHandler):
    """GET /admin/<what>, JSON:

    figures   `days` of `PERIODS`: parts of the page by their ids, HTML; when they were counted; the
              token that a change has to carry in its header X-XSRFToken
    changes   `before`: rows of changes before the one of that id, HTML
    form      `campaign`: its form, of a new one where there is none of the name, HTML
    """

    async def get(self, what: str) -> None:
        answer = {"figures": self._figures, "changes": self._changes, "form": self._form}[what]
        try:
            await answer()
        except (ArenaError, DBAPIError) as error:
            logger.warning("admin page: %s", error)
            self._refuse(503, str(getattr(error, "orig", None) or error))

    async def _figures(self) -> None:
        try:
            days = int(self.get_query_argument("days", str(DAYS)))
            if days not in PERIODS:
                raise ValueError
        except ValueError:
            return self._refuse(400, f"days is one of {', '.join(map(str, PERIODS))}")
        counted = await self._arena.figures.counted(days)
        self._say(
            parts=await parts(self._arena, counted, days, self._sessions()),
            at=counted.at.isoformat(),
            seconds=f"{counted.seconds:.2f}",
            xsrf=self.xsrf_token.decode(),
        )
        return None

    async def _changes(self) -> None:
        before = self.get_query_argument("before", "")
        if not before.isdecimal():
            return self._refuse(400, "before is the id of a change")
        self._say(html=change_rows(await self._arena.figures.earlier_changes(int(before))))
        return None

    async def _form(self) -> None:
        campaign = self._arena.campaigns.get(self.get_query_argument("campaign", ""))
        known = await asyncio.to_thread(files, self._arena.settings.admin.files)
        self._say(html=form(self._arena, campaign, known))

    def _sessions(self) -> int:
        server: Any = self.application
        return sum(len(server.get_sessions(path)) for path in server.app_paths)


class AdminChanges(_AdminHandler):
    """POST /admin/<what>, JSON `_Wanted`; answers `done`, a line, or `errors`, lines by field.

    pause, resume     a contestant in a campaign
    campaign          makes or changes one of the store from the fields of its form
    close, delete     one of the store
    """

    async def post(self, what: str) -> None:
        try:
            wanted = msgspec.json.decode(self.request.body, type=_Wanted)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._refuse(400, f"not a change: {error}")
        actions: Mapping[str, Callable[[_Wanted], str]] = {
            "pause": self._pause,
            "resume": self._pause,
            "campaign": self._keep,
            "close": self._close,
            "delete": self._delete,
        }
        self._what = what
        try:
            done = await asyncio.to_thread(actions[what], wanted)
        except FormError as error:
            return self._say(errors=error.errors)
        except ArenaError as error:
            return self._say(errors=error_of(str(error)).errors)
        except DBAPIError as error:
            logger.warning("admin page: %s", error)
            return self._refuse(503, f"Nothing was changed: {error.orig}")
        await self._arena.campaigns.reload()
        self._arena.figures.forget()
        return self._say(done=done)

    def _pause(self, wanted: _Wanted) -> str:
        campaign = self._campaign(wanted.campaign)
        if wanted.contestant not in {each.name for each in campaign.contestants}:
            raise ArenaError(f"{wanted.contestant!r} is not in the campaign {campaign.name!r}")
        act = stored.pause if self._what == "pause" else stored.resume
        with self._arena.store.changing() as session:
            changed = act(session, self._who, campaign.name, wanted.contestant)
        state = "paused" if self._what == "pause" else "in battles"
        again = "" if changed else " already"
        return f"{wanted.contestant} is {state}{again} in {campaign.name}."

    def _keep(self, wanted: _Wanted) -> str:
        settings = settings_of(wanted.fields, files(self._arena.settings.admin.files))
        there = self._arena.campaigns.get(settings.name)
        if there is not None and (there.source == "file" or not wanted.version):
            raise FormError({"name": "there is a campaign of this name already"})
        self._arena.campaigns.check(settings)
        with self._arena.store.changing() as session:
            if wanted.version:
                stored.change(session, self._who, settings, wanted.version)
            else:
                stored.create(session, self._who, settings)
        return f"The campaign {settings.name} is {'changed' if wanted.version else 'there'}."

    def _close(self, wanted: _Wanted) -> str:
        settings = self._campaign(wanted.campaign).settings
        closed = type(settings).model_validate(
            settings.model_dump(mode="json", exclude_unset=True)
            | {"closes": datetime.now(UTC).replace(microsecond=0)}
        )
        with self._arena.store.changing() as session:
            stored.change(session, self._who, closed, wanted.version)
        return f"The campaign {closed.name} is closed."

    def _delete(self, wanted: _Wanted) -> str:
        with self._arena.store.changing() as session:
            stored.delete(session, self._who, wanted.campaign, wanted.version)
        return f"The campaign {wanted.campaign} is gone."

    def _campaign(self, name: str) -> Campaign:
        campaign = self._arena.campaigns.get(name)
        if campaign is None:
            raise ArenaError(f"there is no campaign {name!r} any more")
        return campaign


class AdminExport(_AdminHandler):
    """GET /admin/export: the votes as a file. Query: `form` of `FORMS`; `campaign`, empty for all;
    `identities`, stripped where it is not given; `texts`, 1 for questions and answers."""

    _running = 0

    async def get(self) -> None:
        form = self.get_query_argument("form", "jsonl")
        identities = self.get_query_argument("identities", "stripped")
        campaign = self.get_query_argument("campaign", "")
        if form not in FORMS or identities not in IDENTITIES:
            return self._refuse(
                400, f"form is one of {', '.join(FORMS)}, identities of {', '.join(IDENTITIES)}"
            )
        if AdminExport._running >= MOST_EXPORTS:
            return self._refuse(503, "Other exports are running: try again when they are done.")
        options = ExportOptions(
            form=form,
            identities=identities,
            texts=self.get_query_argument("texts", "") == "1",
            wanted=Filter((campaign,) if campaign else ()),
        )
        logger.info("%s exports %s, identities %s", self._who, form, identities)
        self.set_header("Content-Type", "application/octet-stream")
        name = re.sub(r"[^\w.-]+", "-", f"votes-{campaign}" if campaign else "votes")
        self.set_header("Content-Disposition", f'attachment; filename="{name}{ENDINGS[form]}"')
        AdminExport._running += 1
        try:
            await self._send(options)
        finally:
            AdminExport._running -= 1
        return None

    async def _send(self, options: ExportOptions) -> None:
        try:
            async with aclosing(exported(self._arena.figures.engine, options)) as pieces:
                async for piece in pieces:
                    self.write(piece)
                    await self.flush()
        except Exception:
            # Half a file must not look like a whole one.
            logger.exception("an export broke off")
            connection: Any = self.request.connection
            connection.stream.close()


def admin_routes(arena: Arena) -> list[tuple[str, type[GuardedHandler], dict[str, Arena]]]:
    given = {"arena": arena}
    return [
        (rf"{ADMIN}/(figures|changes|form)", AdminFigures, given),
        (rf"{ADMIN}/(pause|resume|campaign|close|delete)", AdminChanges, given),
        (f"{ADMIN}/export", AdminExport, given),
    ]
