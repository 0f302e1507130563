"""What the service makes of its settings."""

from pathlib import Path

from messaging.memory import MemoryBus
from runtime.settings import load
from services.runner_sandbox.service import compose, endpoint, own_tokens
from services.runner_sandbox.settings import Settings


def test_a_model_needs_a_name_and_a_key_or_an_address() -> None:
    assert endpoint(Settings()) is None
    assert endpoint(Settings(openai_api_key="k")) is None
    assert endpoint(Settings(openai_model="m")) is None
    made = endpoint(Settings(openai_model="m", openai_api_key="k", model_retries=2))
    assert made is not None
    assert (made.base_url, made.tries) == ("https://api.openai.com/v1", 3)
    local = endpoint(Settings(openai_model="m", openai_base_url="http://127.0.0.1:11434/v1"))
    assert local is not None
    assert local.key == ""


def test_the_own_token_is_for_one_host_only() -> None:
    assert own_tokens(Settings()) == {}
    assert own_tokens(Settings(github_token="t")) == {"github.com": "t"}
    enterprise = Settings(github_token="t", github_api_url="https://git.example.org/api/v3")
    assert own_tokens(enterprise) == {"git.example.org": "t"}


async def test_a_runner_without_a_model_says_what_to_set(memory_bus: MemoryBus, tmp_path: Path) -> None:
    problem = await compose(load(Settings, {"DATA_DIR": str(tmp_path)}), memory_bus).problem()
    assert problem is not None
    assert "OPENAI_API_KEY" in problem.action


def test_the_host_is_a_token_of_a_key() -> None:
    assert Settings().host.replace("-", "").isalnum()
    assert Settings().slots >= 1
