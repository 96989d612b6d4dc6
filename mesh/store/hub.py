"""Models from the Hugging Face hub."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from rostra.mesh.errors import RostraError
from rostra.mesh.store.folder import hash_files
from rostra.mesh.store.progress import Progress, ProgressTask

_Result = TypeVar("_Result")


class HubUnreachable(RostraError):  # noqa: N818 - what happened, not whose fault
    """The hub does not answer. Another source may."""


def download(repository: str, folder: Path, progress: Progress, *, timeout: float) -> str:
    """Fetches what is needed to run a model into `folder`, and returns its commit.

    Goes on where an earlier attempt stopped, if `folder` still holds what that left. `timeout` is
    in seconds, until the hub's first answer. `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean
    what they mean to the hub's own tools.

    Raises HubUnreachable, and RostraError where the hub refuses or a file arrives damaged.
    """
    from huggingface_hub import HfApi, hf_hub_download

    endpoint = os.environ.get("HF_ENDPOINT")

    def list_files() -> Any:
        api = HfApi(endpoint=endpoint)
        return api.model_info(repository, files_metadata=True, timeout=timeout)

    # Looking up a host's name has no time limit of its own.
    info = _translate(repository, lambda: _within(timeout + 1, list_files))
    siblings = [sibling for sibling in info.siblings if is_needed(sibling.rfilename)]
    if not any(sibling.rfilename.endswith(".safetensors") for sibling in siblings):
        raise RostraError(f"{repository} on the hub has no safetensors files; use another model.")
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in siblings}
    folder.mkdir(parents=True, exist_ok=True)
    with progress.task(f"Downloading {repository}", sum(sizes.values())) as task:
        for name, size in sizes.items():
            counter = _Counter(task)
            _translate(
                repository,
                lambda name=name, counter=counter: hf_hub_download(  # type: ignore[misc] # of a lambda with defaults nothing is inferred
                    repository,
                    name,
                    revision=info.sha,
                    local_dir=folder,
                    endpoint=endpoint,
                    tqdm_class=counter.bar_class(),
                ),
            )
            # Whatever an earlier attempt had fetched was not counted.
            task.advance(max(size - counter.count, 0))
    _check_digests(repository, folder, siblings, progress)
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return str(info.sha)


def is_needed(name: str) -> bool:
    """Weights, configuration, tokenizer and templates, and no second copy of the weights."""
    path = PurePosixPath(name)
    if path.suffix == ".jinja":
        return path.parent.name in ("", "additional_chat_templates")
    if len(path.parts) > 1:
        # How a sentence-transformers model makes one vector of many.
        return path.parent.name.endswith("_Pooling") and path.name == "config.json"
    if path.suffix == ".safetensors":
        return not name.startswith("consolidated")
    if path.suffix == ".json":
        return not name.endswith(".bin.index.json")
    return name.startswith("tokenizer") or name == "LICENSE"


class _Counter:
    """Counts the bytes of one file for a task."""

    def __init__(self, task: ProgressTask) -> None:
        self.count = 0
        self._task = task

    def add(self, count: int) -> None:
        self.count += count
        self._task.advance(count)

    def bar_class(self) -> type[Any]:
        """The hub's client reports to classes of this kind only."""
        from huggingface_hub.utils.tqdm import tqdm

        counter = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options | {"disable": True})

            def update(self, n: float | None = 1) -> None:
                counter.add(int(n or 0))

        return Bar


def _check_digests(
    repository: str, folder: Path, siblings: Sequence[Any], progress: Progress
) -> None:
    """Large files only: the hub has no SHA-256 of the others."""
    expected = {sibling.rfilename: sibling.lfs.sha256 for sibling in siblings if sibling.lfs}
    for name, record in hash_files(folder, list(expected), progress).items():
        if record.sha256 != expected[name]:
            (folder / name).unlink()
            raise RostraError(f"{name} of {repository} arrived damaged; pull the model again.")


def _within(seconds: float, function: Callable[[], _Result]) -> _Result:
    """Raises TimeoutError when it takes longer; the call is left behind."""
    results: list[_Result] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]


def _translate(repository: str, function: Callable[[], _Result]) -> _Result:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return function()
    except GatedRepoError as error:
        raise RostraError(
            f"{repository} is gated: accept its terms on the hub, then set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise RostraError(
            f"The hub has no model {repository!r}, or only for those who may see it: "
            "check the name, or set HF_TOKEN."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        kind = HubUnreachable if status == 0 or status >= 500 or status == 429 else RostraError
        raise kind(f"The hub refuses {repository}: {_one_line(error)}") from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(repository, error.__cause__ or error) from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
            raise
        raise _unreachable(repository, error) from error
    except Exception as error:  # errors of the client's HTTP library come through as they are
        raise _unreachable(repository, error) from error


def _unreachable(repository: str, error: BaseException) -> HubUnreachable:
    return HubUnreachable(
        f"The hub cannot be reached for {repository} ({_one_line(error)}); "
        "check the network, set HF_ENDPOINT to a mirror, or give a local folder."
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
