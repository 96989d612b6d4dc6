"""`[gateway.model.NAME]` of rostra.toml: names that clients ask for, and the models behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rostra.gateway.routing.caller import NOBODY, Caller
from rostra.gateway.routing.rendezvous import weighted
from rostra.gateway.routing.settings import PolicyName

ModelName = Annotated[str, Field(min_length=1, max_length=256)]

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class NamedModel(BaseModel):
    """What stands behind one name. Where it names no other model, the one that is served so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aliases: tuple[ModelName, ...] = ()
    """Other names for the same."""
    split: dict[ModelName, Weight] = {}
    """Weights of the models that requests are spread over."""
    sticky: bool = False
    """Whether a caller gets the same model of `split` each time: by API key, else by user."""
    fallback: tuple[ModelName, ...] = ()
    """Models that answer where those before have nobody to take the request now, in this order."""
    policy: PolicyName | None = None
    """In place of that of `[gateway.routing]`."""

    @property
    def targets(self) -> Iterator[str]:
        yield from self.split
        yield from self.fallback


class Names:
    """Which models may answer what clients ask for."""

    def __init__(self, models: Mapping[str, NamedModel]) -> None:
        self._models = models
        self._called = {
            each: name for name, model in models.items() for each in (name, *model.aliases)
        }

    def __iter__(self) -> Iterator[tuple[str, NamedModel]]:
        """Those that stand for something else than the model served under the very name."""
        return (
            (name, model)
            for name, model in self._models.items()
            if model.aliases or model.split or model.fallback
        )

    def find(self, asked: str) -> tuple[str, NamedModel] | None:
        """By name or alias."""
        name = self._called.get(asked)
        return None if name is None else (name, self._models[name])

    def order(self, asked: str, caller: Caller = NOBODY) -> tuple[str, ...]:
        """Served models, in the order in which they are to be tried.

        Of a split the one that is drawn, then the others, the heaviest first; then the fallbacks.
        """
        return tuple(dict.fromkeys(self._expand(asked, caller)))

    def policy(self, asked: str) -> PolicyName | None:
        found = self.find(asked)
        return found[1].policy if found else None

    def _expand(self, asked: str, caller: Caller) -> Iterator[str]:
        found = self.find(asked)
        if found is None:
            yield asked
            return
        name, model = found
        for target in (*(self._drawn(model, caller) or [name]), *model.fallback):
            # What has its own name among its targets means the model that is served so.
            if self._called.get(target) == name:
                yield name
            else:
                yield from self._expand(target, caller)

    @staticmethod
    def _drawn(model: NamedModel, caller: Caller) -> list[str]:
        split = model.split
        if not split:
            return []
        draw = caller.draw
        if model.sticky and caller.identity is not None:
            draw = caller.identity
        first = weighted(draw, split.items())
        rest = sorted((one for one in split if one != first), key=lambda one: -split[one])
        return [first, *rest]


def mistake_in(models: Mapping[str, NamedModel]) -> str | None:
    """Why the tables cannot be, in one line."""
    owner: dict[str, str] = {}
    for name, model in models.items():
        for each in (name, *model.aliases):
            if each in owner:
                whose = "itself" if owner[each] == name else f"'{owner[each]}'"
                return f"model.{name}: '{each}' is a name of {whose} already; choose another"
            owner[each] = name
        for target in model.fallback:
            if model.fallback.count(target) > 1 or target in model.split:
                return f"model.{name}: '{target}' is named twice; name each target once"
    for name in models:
        if cycle := _cycle(models, owner, [name]):
            return f"model.{name}: {' -> '.join(cycle)} leads back to itself; take one step out"
    return None


def unknown_in(models: Mapping[str, NamedModel], known: Collection[str]) -> str | None:
    """A target that nobody has, in one line; `known` are all models that there can be."""
    called = {each for name, model in models.items() for each in (name, *model.aliases)}
    for name, model in models.items():
        own = not model.split
        for target in (*model.targets, *([name] if own else [])):
            if (target not in called or target == name) and target not in known:
                have = ", ".join(sorted(known)) or "none"
                return f"model.{name}: there is no model '{target}'; there are: {have}"
    return None


def _cycle(
    models: Mapping[str, NamedModel], owner: Mapping[str, str], path: list[str]
) -> list[str] | None:
    for target in models[path[-1]].targets:
        following = owner.get(target)
        if following is None or following == path[-1]:
            continue
        if following == path[0]:
            return [*path, following]
        if following not in path and (found := _cycle(models, owner, [*path, following])):
            return found
    return None
