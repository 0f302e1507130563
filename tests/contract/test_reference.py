"""The generated reference pages are the code's."""

import pytest

from cli.reference import main


def test_settings_and_commands_are_described_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
