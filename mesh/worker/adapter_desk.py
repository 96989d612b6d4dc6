"""Loads and unloads adapters in the engine's process, between its steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rostra.mesh.engine.adapters import (
    AdapterError,
    AdapterFault,
    AdapterTable,
    ResidentAdapter,
    State,
)
from rostra.mesh.worker import wire

if TYPE_CHECKING:
    from rostra.mesh.adapters import PreparedAdapter


class Prepared(NamedTuple):
    """What a thread made of the files that a command names."""

    command: wire.LoadAdapter
    resident: ResidentAdapter
    result: PreparedAdapter | AdapterError


class AdapterDesk:
    """Takes commands, and has their answers when they are done.

    Files are read in threads of their own; what is done between two steps is the copy.
    """

    def __init__(self, table: AdapterTable | None, wake: Callable[[Prepared], None]) -> None:
        """`table`: None for an engine that takes no adapters. `wake` is called in other threads
        with what is to be handed to `finish` in the engine's."""
        self._table = table
        self._wake = wake
        self._leaving: dict[str, int] = {}
        self._answers: list[wire.AdapterAnswer] = []

    def load(self, command: wire.LoadAdapter) -> None:
        try:
            resident = self._reserve(command.name)
        except AdapterError as error:
            self._refuse(command.number, error)
            return
        threading.Thread(target=self._read, args=(command, resident), daemon=True).start()

    def finish(self, prepared: Prepared) -> None:
        command, resident, result = prepared
        table = self._require_table()
        loaded_before = resident.state is not State.LOADING
        try:
            if isinstance(result, AdapterError):
                raise result
            if not loaded_before:
                table.fill(resident, result)
            elif resident.state is State.LEAVING or resident.revision != result.revision:
                raise AdapterError(
                    AdapterFault.EXISTS,
                    f"another adapter named {command.name!r} is {resident.state.value}",
                )
        except AdapterError as error:
            if not loaded_before:
                table.drop(resident)
            self._refuse(command.number, error)
            return
        state = wire.AdapterState(command.name, command.folder, resident.revision, resident.rank)
        self._answers.append(wire.AdapterAnswer(command.number, state))

    def unload(self, command: wire.UnloadAdapter) -> None:
        try:
            self._require_table().dismiss(command.name)
        except AdapterError as error:
            self._refuse(command.number, error)
            return
        self._leaving[command.name] = command.number

    def take_answers(self) -> list[wire.AdapterAnswer]:
        """Of what is done since the last call."""
        if self._leaving:
            for name in self._require_table().take_gone():
                self._answers.append(wire.AdapterAnswer(self._leaving.pop(name)))
        answers, self._answers = self._answers, []
        return answers

    def _reserve(self, name: str) -> ResidentAdapter:
        table = self._require_table()
        resident = table.find(name)
        # One that is there already may be the very same: its files tell.
        if resident is not None and resident.state is State.READY:
            return resident
        return table.reserve(name)

    def _read(self, command: wire.LoadAdapter, resident: ResidentAdapter) -> None:
        result: PreparedAdapter | AdapterError
        try:
            result = self._require_table().prepare(Path(command.folder).expanduser())
        except AdapterError as error:
            result = error
        except Exception as error:
            # Whatever it is, the slot must come free and the caller have an answer.
            result = AdapterError(
                AdapterFault.INVALID, f"{command.folder}: {type(error).__name__}: {error}"
            )
        self._wake(Prepared(command, resident, result))

    def _require_table(self) -> AdapterTable:
        if self._table is None:
            raise AdapterError(AdapterFault.DISABLED, "an embedding model takes no adapters")
        return self._table

    def _refuse(self, number: int, error: AdapterError) -> None:
        self._answers.append(wire.AdapterAnswer(number, fault=error.fault, message=str(error)))
