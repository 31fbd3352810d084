"""Compiled templates survive the process and mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible._internal._templating import _jinja_bits  # isort: skip
from ansible.module_utils.tamma.warm.templates import Templates  # isort: skip

TEMPLATES = [
    ("{{ a }}-{{ b | upper }}", "x-Y"),
    ("{{ [a, b] | map('regex_replace', '^', 'p') | list }}", ["px", "py"]),
    ("{{ {'k': a} | combine({'l': 1}) }}", {"k": "x", "l": 1}),
    ("{% if a == 'x' %}yes{% else %}no{% endif %}", "yes"),
    ("back\\slash {{ a }}", "back\\slash x"),
]


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jinja_bits.AnsibleEnvironment, "compile", _jinja_bits.AnsibleEnvironment.compile)


def _values() -> list[object]:
    templar = Templar(loader=DataLoader(), variables={"a": "x", "b": "y"})
    return [templar.template(trust_as_template(text)) for text, _ in TEMPLATES]


def test_a_second_process_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Templates(tmp_path).install()
    assert _values() == [value for _, value in TEMPLATES]
    monkeypatch.setattr(_jinja_bits.AnsibleEnvironment, "_generate", lambda *_, **__: pytest.fail("compiled again"))
    Templates(tmp_path).install()
    assert _values() == [value for _, value in TEMPLATES]
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"x", b"\x00" * 9, b"(\x02\x00\x00\x00"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    Templates(tmp_path).install()
    _values()
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    Templates(tmp_path).install()
    assert _values() == [value for _, value in TEMPLATES]
    assert not content or not file.read_bytes().startswith(content)
    assert len(Templates(tmp_path)._code) >= len(TEMPLATES)
