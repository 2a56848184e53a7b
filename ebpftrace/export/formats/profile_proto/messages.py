"""The messages of `profile.proto`, made from its descriptor when they are wanted."""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DESCRIPTORS = Path(__file__).with_name("profile.binpb")
# Our own: the default pool refuses a second file of that name, which other libraries may bring.
_POOL = descriptor_pool.DescriptorPool()


@cache
def profile_class() -> Any:
    """The class of `perftools.profiles.Profile`; the other messages are made by its fields."""
    for file in descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file:
        _POOL.Add(file)
    wanted = _POOL.FindMessageTypeByName("perftools.profiles.Profile")
    return message_factory.GetMessageClass(wanted)
