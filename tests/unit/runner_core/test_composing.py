"""What every runner makes of the settings that runners share."""

from pathlib import Path

import msgspec
import pytest

from messaging.memory import MemoryBus
from runner_core.composing import app, endpoint, kit, model_door, own_tokens, prices
from runner_core.settings import RunnerSettings
from runtime.settings import SettingsError
from services.runner_aws.settings import Settings as AwsSettings
from services.runner_sandbox.settings import Settings as SandboxSettings
from tests.integration.toy_runner.toy import ToyProvider
from tests.support.scripted_agent import ScriptedAgent

PLAIN = RunnerSettings(runner_id="toy")


def but(**changes: object) -> RunnerSettings:
    return msgspec.structs.replace(PLAIN, **changes)


def test_a_model_needs_a_name_and_a_key_or_an_address() -> None:
    assert endpoint(PLAIN) is None
    assert endpoint(but(openai_api_key="k")) is None
    assert endpoint(but(openai_model="m")) is None
    made = endpoint(but(openai_model="m", openai_api_key="k", model_retries=2))
    assert made is not None
    assert (made.base_url, made.tries) == ("https://api.openai.com/v1", 3)
    local = endpoint(but(openai_model="m", openai_base_url="http://127.0.0.1:11434/v1"))
    assert local is not None
    assert local.key == ""


def test_the_own_token_is_for_one_host_only_and_gives_way_to_an_app() -> None:
    assert own_tokens(PLAIN) == {}
    assert own_tokens(but(github_token="t")) == {"github.com": "t"}
    assert own_tokens(but(github_token="t", github_api_url="https://git.example.org/api/v3")) == {
        "git.example.org": "t"
    }
    assert own_tokens(but(github_token="t", github_app_id="1", github_app_private_key="k")) == {}


def test_half_an_app_and_a_price_that_is_none_are_told_before_any_work() -> None:
    with pytest.raises(SettingsError, match="GITHUB_APP_ID"):
        app(but(github_app_private_key="k"))
    with pytest.raises(SettingsError, match="MODEL_PRICES"):
        prices(but(openai_model="m", model_prices=["m=cheap"]))


def test_remote_sandboxes_reach_the_model_only_by_an_address_that_is_set() -> None:
    assert model_door(PLAIN) is None
    assert model_door(but(model_proxy_public_url="https://models.example.org")) is not None


def test_the_name_of_this_machine_is_a_token_of_a_key() -> None:
    assert PLAIN.host.replace("-", "").replace("_", "").isalnum()


async def test_a_third_runner_gets_its_whole_kit_from_the_same_settings(memory_bus: MemoryBus, tmp_path: Path) -> None:
    agents = [ScriptedAgent("true"), ScriptedAgent("false")]
    made = kit(
        but(data_dir=str(tmp_path), agent_rounds=3, work_save_seconds=7.0), memory_bus, ToyProvider(tmp_path), agents
    )
    assert (made.runner, made.rounds, made.patience.save_every) == ("toy", 3, 7.0)
    assert (made.agent, made.others, made.setup_hosts) == (agents[0], (agents[1],), ())
    assert made.folder == tmp_path / "runner" / "attempts"
    assert made.instance.startswith(PLAIN.host)


@pytest.mark.parametrize("settings", [AwsSettings, SandboxSettings])
def test_a_shared_setting_means_the_same_in_every_runner(settings: type[RunnerSettings]) -> None:
    own = {"runner_id", "model_proxy_port"}  # its name, and a port that does not meet the other's on one machine
    assert settings().runner_id
    for field in msgspec.structs.fields(RunnerSettings):
        if field.name not in own:
            assert field in msgspec.structs.fields(settings), field.name
