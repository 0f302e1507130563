"""Old bytes still decode, new fields do no harm, and the documents match the structs."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from schemas import generate
from schemas.base import Message, decode, encode

TYPES = generate.message_types()
GOLDEN = sorted(generate.GOLDEN.glob("*.json"))
RUN = "run `python -m schemas.generate`"


def type_of(path: Path) -> type[Message]:
    return TYPES[path.name.partition(".")[0]]


def contains(new: Any, old: Any) -> bool:
    """Whether ``new`` says at least all that ``old`` says."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and contains(new[key], value) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(contains, new, old))
    return bool(new == old)


def test_every_message_has_a_golden_sample() -> None:
    missing = [name for name in TYPES if not generate.golden_path(name).exists()]
    assert not missing, f"{RUN} --golden to write {missing}"


def test_every_golden_sample_belongs_to_a_message() -> None:
    assert {path.name.partition(".")[0] for path in GOLDEN} <= set(TYPES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_old_bytes_decode_and_keep_their_meaning(path: Path) -> None:
    data = path.read_bytes()
    message = decode(data, type_of(path))
    assert contains(json.loads(encode(message)), json.loads(data))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_reader_ignores_fields_of_the_future(path: Path) -> None:
    data = json.loads(path.read_bytes())
    later = {**data, "a_field_of_the_future": {"x": [1]}}
    read = decode(json.dumps(later).encode(), type_of(path))
    assert json.loads(encode(read)) == json.loads(encode(decode(path.read_bytes(), type_of(path))))


@pytest.mark.parametrize("name", TYPES)
def test_a_message_says_its_version(name: str) -> None:
    version = next(field for field in msgspec.structs.fields(TYPES[name]) if field.name == "v")
    assert version.default >= 1


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_the_published_schema_accepts_the_golden_sample(path: Path) -> None:
    schema = generate.json_schema(type_of(path))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(path.read_bytes()))


def test_the_published_documents_match_the_structs() -> None:
    for path, text in generate.documents().items():
        published = generate.ROOT / path
        assert published.exists(), f"{path} is missing: {RUN}"
        assert published.read_text() == text, f"{path} has drifted: {RUN}"


def test_no_published_schema_is_left_of_a_message_that_is_gone() -> None:
    published = {path.stem for path in (generate.ROOT / "docs/reference/schemas").glob("*.json")}
    assert published == set(TYPES), RUN


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = generate.asyncapi()
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, f"{reference} leads nowhere"
            node = node[part]


def test_each_channel_of_the_asyncapi_document_has_one_address_and_a_writer() -> None:
    addresses = [channel.address for channel in generate.channels()]
    assert len(addresses) == len(set(addresses))
    assert all(channel.writers and channel.readers for channel in generate.channels())
