"""What any version has put on the wire is read by this one, and means the same."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest
from golden_file import Entry, Golden, make_entry
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from wire_samples import facts, facts_shown, message_types, samples

from rostra.v1 import sampling_pb2

GOLDEN = Golden()
ENTRIES = GOLDEN.entries()


@pytest.fixture
def copy(tmp_path):
    """The files, to be spoiled."""
    for path in (GOLDEN.lines_path, GOLDEN.hashes_path):
        shutil.copy2(path, tmp_path)
    return Golden(tmp_path)


def test_no_line_was_changed():
    GOLDEN.check_hashes()


def test_there_is_an_entry_for_everything():
    missing = GOLDEN.missing()
    assert not missing, f"the protos have something new: run make wire\n{missing}"


@pytest.mark.parametrize("name", sorted({entry.message for entry in ENTRIES}))
def test_every_entry_is_read_as_it_was_meant(name):
    assert name in message_types(), "a message was removed or renamed"
    for entry in ENTRIES:
        if entry.message != name:
            continue
        decoded = entry.decode()
        assert decoded == entry.parse()
        # Nothing lies in it that today's protos do not know.
        known = entry.decode()
        known.DiscardUnknownFields()
        assert known.ByteSize() == decoded.ByteSize()
        again = type(decoded).FromString(decoded.SerializeToString())
        assert again == decoded


def test_another_implementation_writes_and_reads_the_same():
    """Debian's protoc is of another version than the protobuf here."""
    protos = GOLDEN.folder.parents[1] / "protos"
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    last = {entry.message: entry for entry in ENTRIES}
    for entry in last.values():
        command = ["protoc", f"-I{protos}", f"--encode={entry.message}", *files]
        encoded = subprocess.run(
            command, input=entry.text.encode(), capture_output=True, check=True
        ).stdout
        assert type(entry.decode()).FromString(encoded) == entry.decode()


@pytest.mark.parametrize("descriptor", message_types().values(), ids=lambda each: each.full_name)
def test_samples_show_all_there_is(descriptor):
    shown = set()
    for message in samples(descriptor):
        shown |= facts_shown(message)
        assert make_entry("x", message).parse() == message
    assert shown == facts(descriptor)


def test_a_changed_line_is_found(copy):
    lines = copy.lines()
    lines[3] = lines[3].replace('"version": "', '"version": "1')
    copy.lines_path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"line 4 of .* was changed"):
        copy.append("9.0.0")


@pytest.mark.parametrize("spoil", ["lines_path", "hashes_path"])
def test_a_missing_line_is_found(copy, spoil):
    path = getattr(copy, spoil)
    path.write_text("\n".join(path.read_text("utf-8").splitlines()[:-1]) + "\n")
    with pytest.raises(ValueError, match="lines and"):
        copy.append("9.0.0")


def test_appending_adds_what_is_missing_and_keeps_the_rest(copy):
    assert copy.append("9.0.0") == 0
    lines, hashes = copy.lines(), copy.hashes_path.read_text().splitlines()
    kept = [n for n, entry in enumerate(ENTRIES) if entry.message != "rostra.v1.SamplingParams"]
    copy.lines_path.write_text("".join(lines[n] + "\n" for n in kept), "utf-8")
    copy.hashes_path.write_text("".join(hashes[n] + "\n" for n in kept))
    assert set(copy.missing()) == {"rostra.v1.SamplingParams"}
    added = copy.append("9.0.0")
    assert added == len(lines) - len(kept)
    assert [entry.version for entry in copy.entries()[len(kept) :]] == ["9.0.0"] * added
    assert copy.lines()[: len(kept)] == [lines[n] for n in kept]
    copy.check_hashes()
    assert not copy.missing()


def test_a_renumbered_field_would_be_found():
    """An entry of a version whose field had another number is not read as it was meant."""
    file = descriptor_pb2.FileDescriptorProto()
    sampling_pb2.DESCRIPTOR.CopyToProto(file)
    params = next(each for each in file.message_type if each.name == "SamplingParams")
    next(field for field in params.field if field.name == "top_k").number = 99
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    older = message_factory.GetMessageClass(pool.FindMessageTypeByName("rostra.v1.SamplingParams"))
    message = older(top_k=5)
    wire = base64.b64encode(message.SerializeToString()).decode()
    entry = Entry("0.0.1", "rostra.v1.SamplingParams", wire, "top_k: 5")
    assert entry.decode() != entry.parse()
