"""What the service makes of its settings."""

from pathlib import Path

from messaging.memory import MemoryBus
from runtime.settings import load
from services.runner_sandbox.service import compose
from services.runner_sandbox.settings import Settings


async def test_a_runner_without_a_model_says_what_to_set(memory_bus: MemoryBus, tmp_path: Path) -> None:
    problem = await compose(load(Settings, {"DATA_DIR": str(tmp_path)}), memory_bus).problem()
    assert problem is not None
    assert "OPENAI_API_KEY" in problem.action


def test_a_runner_has_room_for_one_at_least() -> None:
    assert Settings().slots >= 1
