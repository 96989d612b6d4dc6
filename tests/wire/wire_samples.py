"""Messages that set every field, made from descriptors alone.

A fact is a thing that an encoding can show of a message's own fields: that a field is set, that an
optional one is set to its zero, that an enum holds a value. The samples of a message show them all
between them; what lies in nested messages is theirs to show.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from rostra.v1 import chat_pb2, control_pb2, inference_pb2, registry_pb2, sampling_pb2, tokens_pb2

MODULES = (chat_pb2, control_pb2, inference_pb2, registry_pb2, sampling_pb2, tokens_pb2)

Fact = tuple[str, ...]

INTEGERS = {
    FieldDescriptor.TYPE_INT32: -(2**31),
    FieldDescriptor.TYPE_INT64: -(2**63),
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_UINT64: 2**64 - 1,
    FieldDescriptor.TYPE_FIXED64: 2**64 - 1,
}


def message_types() -> dict[str, Descriptor]:
    """All messages of the package by full name, nested ones too, without maps' entries."""
    found: dict[str, Descriptor] = {}

    def add(descriptor: Descriptor) -> None:
        if not descriptor.GetOptions().map_entry:
            found[descriptor.full_name] = descriptor
        for nested in descriptor.nested_types:
            add(nested)

    for module in MODULES:
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            add(descriptor)
    return found


def facts(descriptor: Descriptor) -> set[Fact]:
    """All that there is to show."""
    found: set[Fact] = set()
    for field in descriptor.fields:
        found.add(("set", field.name))
        if field.enum_type is not None:
            found |= {
                ("value", field.name, value.name)
                for value in field.enum_type.values
                if value.number or field.has_presence
            }
        elif has_zero(field):
            found.add(("zero", field.name))
    return found


def facts_shown(message: Message) -> set[Fact]:
    """What one message shows."""
    found: set[Fact] = set()
    for field, value in message.ListFields():
        found.add(("set", field.name))
        if field.enum_type is not None:
            found.add(("value", field.name, field.enum_type.values_by_number[value].name))
        elif has_zero(field) and not value:
            found.add(("zero", field.name))
    return found


def samples(descriptor: Descriptor) -> Iterator[Message]:
    """Each sets all fields, one of each oneof's; the last sets those that may be zero to zero."""
    variants = [len(oneof.fields) for oneof in descriptor.oneofs]
    variants += [len(field.enum_type.values) for field in descriptor.fields if field.enum_type]
    for variant in range(max([*variants, 1])):
        yield sample(descriptor, variant)
    for variant in range(max([*(len(oneof.fields) for oneof in descriptor.oneofs), 1])):
        if any(map(has_zero, descriptor.fields)):
            yield sample(descriptor, variant, zero=True)


def sample(descriptor: Descriptor, variant: int = 0, *, zero: bool = False) -> Message:
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[variant % len(oneof.fields)] is not field:
            continue
        if zero and has_zero(field):
            setattr(message, field.name, field.default_value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields_by_name.values()
            for number in range(2):
                getattr(message, field.name)[scalar(key, number)] = scalar(value, number)
        elif field.is_repeated:
            if field.message_type is not None:
                getattr(message, field.name).extend(
                    sample(field.message_type, number) for number in range(2)
                )
            else:
                getattr(message, field.name).extend(scalar(field, number) for number in range(2))
        elif field.message_type is not None:
            nested = getattr(message, field.name)
            nested.SetInParent()
            nested.CopyFrom(sample(field.message_type, variant))
        else:
            setattr(message, field.name, scalar(field, variant))
    return message


def scalar(field: FieldDescriptor, variant: int) -> object:
    """A value that its type's limits and encodings make hard."""
    if field.enum_type is not None:
        values = field.enum_type.values
        return values[(variant + 1) % len(values)].number
    if field.type in INTEGERS:
        extreme = INTEGERS[field.type]
        return extreme - variant if extreme > 0 else extreme + variant
    return {
        FieldDescriptor.TYPE_BOOL: True,
        FieldDescriptor.TYPE_FLOAT: 0.1 + variant,
        FieldDescriptor.TYPE_DOUBLE: 0.1 + variant,
        FieldDescriptor.TYPE_BYTES: bytes((0, 255, variant)),
        FieldDescriptor.TYPE_STRING: f'{field.name} {variant}: "é" 漢\n🦊',
    }[field.type]


def has_zero(field: FieldDescriptor) -> bool:
    """Whether a zero that is set differs from nothing."""
    return field.has_presence and field.message_type is None and field.enum_type is None
