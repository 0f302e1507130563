"""Settings come from the environment or say what is wrong with it."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from runtime.settings import SettingsError, describe, load


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    openai_api_key: Annotated[str, Meta(description="key of the model endpoint")]
    nats_url: Annotated[str, Meta(description="where NATS is")] = "nats://127.0.0.1:4222"
    slots: int = 2
    ratio: float = 0.5
    unsafe: bool = False
    log_format: Literal["json", "console"] = "json"
    sources: list[str] = []
    repo: str | None = None


BASE = {"OPENAI_API_KEY": "k"}


def test_text_becomes_what_the_field_is() -> None:
    given = {"SLOTS": "5", "RATIO": "0.25", "UNSAFE": "true", "LOG_FORMAT": "console", "SOURCES": "a, b,", "REPO": "r"}
    found = load(Settings, {**BASE, **given})
    assert found == Settings(
        openai_api_key="k", slots=5, ratio=0.25, unsafe=True, log_format="console", sources=["a", "b"], repo="r"
    )


def test_unset_and_empty_variables_take_the_default() -> None:
    assert load(Settings, {**BASE, "SLOTS": "", "NATS_URL": "", "OTHER": "x"}) == Settings(openai_api_key="k")


def test_all_bad_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        load(Settings, {"SLOTS": "many", "UNSAFE": "perhaps", "LOG_FORMAT": "xml"})
    text = str(raised.value)
    assert all(name in text for name in ("SLOTS", "UNSAFE", "LOG_FORMAT", "OPENAI_API_KEY is not set"))
    assert "key of the model endpoint" in text


def test_bad_values_are_never_repeated() -> None:
    with pytest.raises(SettingsError) as raised:
        load(Settings, {**BASE, "SLOTS": "sk-secret-1", "LOG_FORMAT": "sk-secret-2", "RATIO": "sk-secret-3"})
    assert "secret" not in str(raised.value)


def test_settings_describe_themselves() -> None:
    assert describe(Settings) == [
        ("OPENAI_API_KEY", "str", "required", "key of the model endpoint"),
        ("NATS_URL", "str", "nats://127.0.0.1:4222", "where NATS is"),
        ("SLOTS", "int", "2", ""),
        ("RATIO", "float", "0.5", ""),
        ("UNSAFE", "bool", "false", ""),
        ("LOG_FORMAT", "json | console", "json", ""),
        ("SOURCES", "comma-separated str", "[]", ""),
        ("REPO", "str", "None", ""),
    ]
