"""Every block of code in the manual is one that works: it parses, and what it names is there."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pages import ROOT, Block, blocks

from rostra.gateway.key_file import KeyFile
from rostra.gateway.membership.tokens import read_tokens
from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.cli.main import app

ALL = list(blocks())
SHELL = [block for block in ALL if block.language in ("sh", "console")]
OTHERS_PROGRAMS = set(
    "apt-get cat cd cmake cp createdb curl docker export git grpcurl helm java journalctl jupyter"
    " kill kubectl ln ls make mkdir mv nginx nix node npm npx nvidia-smi openssl pg_dump"
    " pg_restore pip podman psql python python3 ray rm sed sqlite3 ssh sudo systemctl tar torchrun"
    " trap useradd wait".split()
)


def configuration(path: Path) -> None:
    """With what each room asks of its own tables."""
    read = RostraConfig.read(path)
    if read.gateway:
        # A fragment need not say where the workers are.
        read.gateway_settings(workers=read.gateway.get("workers", ["127.0.0.1:50051"]))
    if read.arena or read.contestant:
        given: dict[str, Any] = {"votes_url": "sqlite:///votes.sqlite", "ratings_dir": path.parent}
        if len(read.contestant) < 2:
            # A fragment need not repeat who competes, only name them.
            names = {"first", "second", *listed(read.arena)}
            others = [{"name": name, "model": name} for name in sorted(names)]
            given["contestants"] = [*read.contestant, *others]
        read.arena_settings(**{key: read.arena.get(key, given[key]) for key in given})


def listed(table: Any) -> Iterator[str]:
    """Strings that stand in lists, which may be names of contestants."""
    for value in table.values() if isinstance(table, dict) else table:
        if isinstance(value, str) and isinstance(table, list):
            yield value
        elif isinstance(value, dict | list):
            yield from listed(value)


def keys(path: Path) -> None:
    KeyFile(path, path.read_text(encoding="utf-8"))


def of(language: str) -> list[Any]:
    return [pytest.param(each, id=str(each)) for each in ALL if each.language == language]


def test_every_block_says_what_it_is() -> None:
    known = {
        "sh",
        "console",
        "python",
        "toml",
        "json",
        "yaml",
        "proto",
        "text",
        "mermaid",
        "{toctree}",
        "",
    }
    assert [str(block) for block in ALL if block.language not in known] == []


@pytest.mark.parametrize("block", of("toml"))
def test_configurations_are_read(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    whole = re.sub(r'(sha256 = ")[0-9a-f]*(\.\.\.|…)"', rf'\g<1>{"0" * 64}"', block.text)
    path.write_text(whole, encoding="utf-8")
    readers: tuple[Callable[[Path], Any], ...] = (configuration, keys, read_tokens)
    refusals = []
    for read in readers:
        try:
            read(path)
            return
        except Exception as error:  # each says in its own way what is wrong
            refusals.append(f"{getattr(read, '__qualname__', read)}: {error}")
    pytest.fail("\n".join(refusals))


@pytest.mark.parametrize("block", of("json"))
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", of("yaml"))
def test_yaml_parses(block: Block) -> None:
    assert list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("block", of("python"))
def test_python_compiles_and_imports_what_there_is(block: Block) -> None:
    text = textwrap.dedent(block.text)
    if re.fullmatch(r'"\w+": \w+,\n', text):
        text = f"{{{text}}}"  # an entry for a table
    tree = compile(text, str(block), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rostra"):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("rostra"):
                    importlib.import_module(alias.name)


@pytest.mark.parametrize("block", [pytest.param(each, id=str(each)) for each in SHELL])
def test_shell_is_shell(block: Block) -> None:
    script = "\n".join(command for command, _ in commands(block))
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=30)


def commands(block: Block) -> list[tuple[str, int]]:
    """Commands and their lines: of a console's what was typed."""
    joined, found = "", []
    typed = block.language == "sh"
    for number, shown in enumerate(block.text.splitlines(), start=block.line):
        line = shown
        if block.language == "console":
            typed = shown.startswith("$ ") or bool(joined)
            line = shown.removeprefix("$ ")
        if not typed:
            continue
        joined += line + "\n"
        if line.endswith("\\"):
            continue
        try:
            shlex.split(joined, comments=True)
        except ValueError:  # a quote goes on in the next line
            continue
        if joined.strip():
            found.append((joined.replace("\\\n", " ").strip(), number))
        joined = ""
    assert not joined.strip(), f"{block}: {joined}"
    return found


def simple_commands(text: str) -> list[list[str]]:
    """Words of each command of a line, without redirections and what is set before it."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>()")
    lexer.commenters = "#"
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if skip:
            skip = False
        elif set(word) <= set("|&;()"):
            found.append([])
        elif set(word) <= set("<>&"):
            skip = True
        elif found[-1] or not re.fullmatch(r"[A-Za-z_]\w*=.*", word, re.DOTALL):
            found[-1].append(word)
    return [words for words in found if words]


COMMANDS = [
    pytest.param(words, id=f"{block.page}:{line}")
    for block in SHELL
    for text, line in commands(block)
    for words in simple_commands(text)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_there_and_take_what_they_are_given(words: list[str]) -> None:
    program, *arguments = words
    if program in ("sudo", "nohup", "exec"):
        program, *arguments = arguments
    name = Path(program).name
    if name == "rostra":
        parse(typer.main.get_command(app), arguments)
    elif name == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        asked = [word for word in arguments if "=" not in word and not word.startswith("-")]
        assert set(asked) <= set(targets)
    elif name.startswith("python") and arguments[:1] == ["-m"]:
        if arguments[1].startswith("benchmarks"):
            module_takes(arguments[1], arguments[2:])
    elif program.startswith(("scripts/", "deploy/")):
        assert (ROOT / program).is_file()
    elif not program.startswith("build/"):  # what the lines before it made
        assert name in OTHERS_PROGRAMS, f"{name}: no program that the manual speaks of"


def parse(command: Any, arguments: list[str], parent: Any = None) -> None:
    """Fails where the command line would refuse the words; nothing is run."""
    words = " ".join(arguments)
    try:
        context = command.make_context(command.name, list(arguments), parent)
        if hasattr(command, "resolve_command"):
            _, found, rest = command.resolve_command(context, arguments)
            parse(found, rest, context)
    except typer.Exit:
        pass  # --help, --version
    except Exception as error:
        # Typer brings a copy of click, so that the type of what is raised is not click's.
        told = error.format_message() if hasattr(error, "format_message") else repr(error)
        # The reader's own files are not here.
        if "does not exist" not in told:
            pytest.fail(f"{words}: {told}")


def module_takes(module: str, arguments: list[str]) -> None:
    """Whether the file, or one that it imports from beside it, has these options."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not path.exists():
        path = ROOT.joinpath(*module.split("."), "__main__.py")
    sources = path.read_text() + "".join(
        other.read_text()
        for other in (ROOT / "benchmarks").glob("*.py")
        if other.stem in path.read_text()
    )
    for word in arguments:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in sources, word


def test_the_checks_find_what_is_wrong() -> None:
    command = typer.main.get_command(app)
    for arguments in (["upp"], ["gateway", "--no-such-option"], ["keys", "new"], ["keys", "nwe"]):
        with pytest.raises(pytest.fail.Exception):
            parse(command, arguments)
    with pytest.raises(AssertionError):
        module_takes("benchmarks.soak", ["--no-such-option"])
