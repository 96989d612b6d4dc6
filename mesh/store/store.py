"""Where models lie on this host, and how they get there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rostra.mesh.errors import RostraError
from rostra.mesh.home import Home
from rostra.mesh.store import sources
from rostra.mesh.store.checks import check_model_folder
from rostra.mesh.store.folder import Manifest, ModelFolder
from rostra.mesh.store.local import local_folder
from rostra.mesh.store.names import LocalFolder, ModelName, parse_name
from rostra.mesh.store.progress import Progress, SilentProgress


@dataclass(frozen=True)
class StoredModel:
    """An entry of `ModelStore.models`."""

    folder: ModelFolder
    quantization: str | None
    size: int
    """Bytes on disk."""
    problem: str | None
    """What is wrong with it, None if it can be used."""


class ModelStore:
    """The models of one home.

    A model is built in a folder beside the final one and renamed when it is complete, under a lock
    that other processes wait for. So what is there is whole, and two pulls do the work once.
    """

    def __init__(self, home: Home) -> None:
        self._root = home.models
        self._revisions = home.cache / "revisions.json"

    def resolve(self, name: str, progress: Progress | None = None) -> ModelFolder:
        """The folder of a model, pulled first when it is not there. Else takes milliseconds.

        `name` is a built-in name, a hub id, a model folder or a .gguf file.
        Raises RostraError with what to do.
        """
        wanted, shown = parse_name(name), progress or SilentProgress()
        return self._present(wanted, shown) or self._pull(wanted, shown)

    def pull(
        self,
        name: str,
        progress: Progress | None = None,
        *,
        force: bool = False,
        accepted_licenses: Iterable[str] = (),
    ) -> ModelFolder:
        """Like `resolve`, but reads all of a model that is there already and compares it with its
        manifest. `force` fetches it anew. A model with terms of its own is fetched only where these
        are among the `accepted_licenses`."""
        wanted, shown = parse_name(name), progress or SilentProgress()
        present = None if force else self._present(wanted, shown)
        if present is None:
            return self._pull(wanted, shown, force=force, accepted_licenses=accepted_licenses)
        manifest = Manifest.read(present.path)
        if manifest is not None:
            manifest.check_content(present.path, shown)
        return present

    def path(self, name: str) -> Path:
        """Where a model lies. Raises RostraError when it has not been pulled."""
        present = self._present(parse_name(name), SilentProgress())
        if present is None:
            raise RostraError(f"{name} is not here yet; run `rostra models pull {name}`.")
        return present.path

    def models(self) -> list[StoredModel]:
        """All that was pulled or converted, by name."""
        if not self._root.is_dir():
            return []
        folders = [path for path in self._root.iterdir() if not path.name.startswith(".")]
        found = [_describe(folder) for folder in folders if folder.is_dir()]
        return sorted(found, key=lambda model: model.folder.name)

    def remove(self, name: str) -> int:
        """Deletes a model and what an unfinished pull of it left. Returns bytes freed.

        Workers that have it loaded keep running. Raises RostraError for a folder of the user's own
        and for a model that is not here.
        """
        key = self._key_to_remove(name)
        with self._lock(key, SilentProgress()):
            folder, partial = self._root / key, self._partial(key)
            left = [partial, sources.package_folder(partial), _replaced(partial)]
            if not any(path.exists() for path in (folder, *left)):
                raise RostraError(f"{name} is not here; `rostra models list` shows what is.")
            freed = sum(_size_of(path) for path in (folder, *left))
            if folder.exists():
                # A rename takes it out of sight at once; deleting takes a while.
                shutil.rmtree(partial, ignore_errors=True)
                partial.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(partial)
            for path in left:
                if path.exists():
                    shutil.rmtree(path)
        return freed

    def _key_to_remove(self, name: str) -> str:
        # As `list` shows it: a converted file may be gone from where it was.
        for model in self.models():
            if name in (model.folder.name, model.folder.path.name):
                return model.folder.path.name
        wanted = parse_name(name)
        if isinstance(wanted, LocalFolder):
            raise RostraError(f"{name} is your own folder and used where it lies; delete it there.")
        return wanted.key

    def _present(self, wanted: ModelName, progress: Progress) -> ModelFolder | None:
        if isinstance(wanted, LocalFolder):
            return local_folder(wanted.path, self._revisions, progress)
        folder = self._root / wanted.key
        manifest = Manifest.read(folder)
        if manifest is None:
            return None
        manifest.check_sizes(folder)
        return _folder_of(manifest, folder)

    def _pull(
        self,
        wanted: ModelName,
        progress: Progress,
        *,
        force: bool = False,
        accepted_licenses: Iterable[str] = (),
    ) -> ModelFolder:
        sources.check_licenses(wanted, accepted_licenses)
        if isinstance(wanted, LocalFolder):
            return local_folder(wanted.path, self._revisions, progress)
        with self._lock(wanted.key, progress), _disk_errors(self._root):
            present = None if force else self._present(wanted, progress)
            if present is not None:
                return present
            partial = self._partial(wanted.key)
            origin = sources.fill(wanted, partial, progress, fresh=force)
            check_model_folder(partial)
            manifest = Manifest.describe(
                partial,
                progress,
                name=wanted.name,
                source=origin.source,
                quantization=origin.quantization,
            )
            manifest.write(partial)
            return _folder_of(manifest, self._put_in_place(partial, wanted.key))

    def _put_in_place(self, partial: Path, key: str) -> Path:
        final = self._root / key
        replaced = _replaced(partial)
        shutil.rmtree(replaced, ignore_errors=True)
        if final.exists():
            final.rename(replaced)
        partial.rename(final)
        shutil.rmtree(replaced, ignore_errors=True)
        return final

    def _partial(self, key: str) -> Path:
        return self._root / ".partial" / key

    @contextmanager
    def _lock(self, key: str, progress: Progress) -> Iterator[None]:
        with _disk_errors(self._root):
            (self._root / ".locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._root / ".locks" / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with progress.task(f"Waiting for another process that works on {key}", None):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()


def resolve(name: str, home: Home, progress: Progress | None = None) -> ModelFolder:
    """`ModelStore(home).resolve(name, progress)`."""
    return ModelStore(home).resolve(name, progress)


def _describe(folder: Path) -> StoredModel:
    manifest = Manifest.read(folder)
    if manifest is None:
        unknown = ModelFolder(folder.name, folder, "", "unknown")
        return StoredModel(unknown, None, _size_of(folder), "no manifest: pull it again")
    problem = None
    try:
        manifest.check_sizes(folder)
    except RostraError as error:
        problem = str(error)
    return StoredModel(_folder_of(manifest, folder), manifest.quantization, manifest.size, problem)


def _folder_of(manifest: Manifest, path: Path) -> ModelFolder:
    return ModelFolder(manifest.name, path, manifest.revision, manifest.source)


def _replaced(partial: Path) -> Path:
    """Where the model that a new one takes the place of waits to be deleted."""
    return partial.with_name(f"{partial.name}.replaced")


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    """What a full or read-only disk says, as one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RostraError(
                f"{root} is full; free some space or choose another --home."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise RostraError(
                f"{root} cannot be written ({error}); choose another --home."
            ) from error
        raise
