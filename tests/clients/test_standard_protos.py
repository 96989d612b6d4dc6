"""clients/protos says what the published definitions say, as far as it goes."""

from __future__ import annotations

import pytest
from client_programs import ROOT, run
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

PUBLISHED = [error_details_pb2, status_pb2, health_pb2]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Those of clients/protos, compiled."""
    out = tmp_path_factory.mktemp("protos") / "set.binpb"
    folder = ROOT / "clients" / "protos"
    sources = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.proto"))]
    run("protoc", f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", *sources)
    found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    return [pool.FindFileByName(source) for source in sources]


def same(ours, theirs):
    """Every field and enum value of ours, by name, number, type and label, in theirs too."""
    assert ours.full_name == theirs.full_name
    for field in ours.fields:
        other = theirs.fields_by_name[field.name]
        assert (field.number, field.type) == (other.number, other.type)
        assert field.is_repeated == other.is_repeated
        if field.message_type is not None:
            assert field.message_type.full_name == other.message_type.full_name
    for enum in ours.enum_types:
        published = theirs.enum_types_by_name[enum.name]
        assert {value.name: value.number for value in enum.values}.items() <= {
            value.name: value.number for value in published.values
        }.items()
    for nested in ours.nested_types:
        same(nested, theirs.nested_types_by_name[nested.name])


def test_messages_and_services(files):
    published = {}
    for module in PUBLISHED:
        published |= module.DESCRIPTOR.message_types_by_name
        published |= module.DESCRIPTOR.services_by_name
    seen = []
    for file in files:
        for name, message in file.message_types_by_name.items():
            seen.append(name)
            same(message, published[name])
        for name, service in file.services_by_name.items():
            seen.append(name)
            for method in service.methods:
                other = published[name].methods_by_name[method.name]
                assert method.input_type.full_name == other.input_type.full_name
                assert method.output_type.full_name == other.output_type.full_name
                assert method.server_streaming == other.server_streaming
    assert {"Status", "ErrorInfo", "BadRequest", "RetryInfo", "Health"} <= set(seen)
