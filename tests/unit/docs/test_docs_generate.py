"""The generated documentation says what argument specs, defaults and modules say, and notices a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate

_SPEC = """
argument_specs:
  main:
    short_description: Keep parcels
    options:
      depot_zones:
        description: Zones | shelves.
        type: list
        elements: str
      depot_kind:
        description: What <kind> it is.
        type: str
        choices: [cold, warm]
      depot_name:
        description: Its name.
        type: str
"""
_MODULE = '''
DOCUMENTATION = r"""
module: parcel
short_description: Manage a parcel
description:
  - Sends C(parcels) when O(state=present), see L(the post,https://post.example).
options:
  name:
    description: [First., Second.]
    required: true
  label:
    description: Label.
    type: dict
    suboptions:
      size:
        description: Size.
        type: int
  state:
    description: Our own words.
    type: str
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""
EXAMPLES = r"""
- parcel: {name: a}
"""
'''
_FRAGMENT = '''
class ModuleDocFragment:
    DOCUMENTATION: ClassVar[str] = r"""
options:
  state:
    description: Shared words.
"""
    TAGS: ClassVar[str] = r"""
options:
  tags:
    description: Labels.
    type: dict
"""
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "roles/depot/meta/argument_specs.yml": _SPEC,
        "roles/depot/defaults/main.yml": "depot_zones: [a, b]\ndepot_kind: cold\ndepot_secret_extra: 1\n",
        "roles/depot/README.md": f"# depot\n\nAbove.\n\n{generate.BEGIN}\n{generate.END}\n\nBelow.\n",
        "library/parcel.py": _MODULE,
        "plugins/doc_fragments/tamma_resource.py": _FRAGMENT,
        "docs/keep.md": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def _run(project: Path, *arguments: str) -> int:
    return generate.main(["--root", str(project), *arguments])


def _rows(project: Path, page: str) -> list[str]:
    return [line for line in (project / page).read_text(encoding="utf-8").splitlines() if line.startswith("| `")]


def test_role_table_holds_types_defaults_and_meanings_in_the_order_of_the_spec(project: Path) -> None:
    assert _run(project) == 0
    expected = [
        "| `depot_zones` | list of str | `[a, b]` | Zones \\| shelves. |",
        "| `depot_kind` | str | `cold` | What &lt;kind> it is. One of `cold`, `warm`. |",
        "| `depot_name` | str | none: must be set | Its name. |",
    ]
    assert _rows(project, "roles/depot/README.md") == expected
    assert _rows(project, "docs/variables.md") == expected


def test_text_around_the_table_is_kept(project: Path) -> None:
    _run(project)
    text = (project / "roles/depot/README.md").read_text(encoding="utf-8")
    assert text.startswith("# depot\n\nAbove.\n")
    assert text.endswith("Below.\n")


def test_module_reference_holds_markup_suboptions_shared_options_and_examples(project: Path) -> None:
    _run(project)
    page = (project / "docs/modules.md").read_text(encoding="utf-8")
    assert "Sends `parcels` when `state=present`, see [the post](https://post.example)." in page
    assert "- parcel: {name: a}" in page
    assert _rows(project, "docs/modules.md") == [
        "| `name` | str, required |  | First. Second. |",
        "| `label` | dict |  | Label. |",
        "| `label.size` | int |  | Size. |",
        "| `state` | str |  | Our own words. |",
        "| `tags` | dict |  | Labels. |",
    ]


def test_check_writes_nothing_and_names_every_stale_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(project, "--check") == 1
    said = capsys.readouterr().err
    for name in ("roles/depot/README.md", "docs/variables.md", "docs/modules.md"):
        assert f"{name} is stale: run `make docs`" in said
    assert not (project / "docs/variables.md").exists()


def test_check_is_quiet_after_writing_and_fails_after_a_changed_default(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(project)
    capsys.readouterr()
    assert _run(project, "--check") == 0
    assert capsys.readouterr().err == ""
    (project / "roles/depot/defaults/main.yml").write_text("depot_zones: [c]\n", encoding="utf-8")
    assert _run(project, "--check") == 1


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("roles/depot/README.md", "# depot\n", "lacks the lines"),
        ("roles/depot/README.md", None, "write the role's README"),
        ("roles/depot/defaults/main.yml", "a: [", "cannot be read"),
        ("library/parcel.py", "X = 1\n", "has no DOCUMENTATION"),
    ],
)
def test_missing_sources_are_a_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, sentence: str
) -> None:
    path = project / name
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf-8")
    assert _run(project) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
