"""The bus without a broker: for tests of services and for nothing else. Held to the same suite as the real one."""

from messaging.memory.broker import MemoryBroker
from messaging.memory.bus import MemoryBus

__all__ = ["MemoryBroker", "MemoryBus"]
