"""Writes the parts of the documentation that the code already says: role variables and module options.

Run with `.venv/bin/python docs/generate.py`; `--check` writes nothing and names what is stale.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

BEGIN = "<!-- variables: written by docs/generate.py -->"
END = "<!-- end of variables -->"
_NOTE = "<!-- Written by docs/generate.py: change the source, then run `make docs`. -->"
# Ansible's markup: one letter or word, then the text in parentheses.
_MARKUP = re.compile(r"\b(?:RV|[OVCEMBIPU])\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_LINK = re.compile(r"\bL\(([^,()]+),\s*([^()]+)\)")
_CODE = re.compile(r"(`[^`]*`)")
_FRAGMENT = "tamma_resource"
_READ_BY_PLAYBOOK = re.compile(r"\b([a-z][a-z0-9_]+) \| default\(([^()]*)\)")
# What says where an environment is and how to get there.
_PLACES = ("embedded_cloud", "naming_account_id", "secrets_", "image_")


class DocumentationError(Exception):
    """Something that the documentation is made from is missing or unreadable; says what and what to do."""


def main(argv: list[str] | None = None) -> int:
    """Write or check the generated documentation and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the tables of role variables and the module reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the project's folder"
    )
    arguments = parser.parse_args(argv)
    try:
        stale = [(path, text) for path, text in pages(arguments.root) if _read(path) != text]
    except DocumentationError as error:
        print(f"docs/generate.py: {error}", file=sys.stderr)
        return 1
    for path, text in stale:
        name = path.relative_to(arguments.root)
        if arguments.check:
            print(f"{name} is stale: run `make docs` and commit what it writes.", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if arguments.check and stale else 0


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every generated file with the text it shall have.

    Raises DocumentationError when a role or a module lacks what its documentation is made from.
    """
    roles = [role for role in sorted((root / "roles").iterdir()) if (role / "meta/argument_specs.yml").is_file()]
    tables = {role: variables_table(role) for role in roles}
    for role, table in tables.items():
        yield role / "README.md", _between_markers(role / "README.md", table)
    inputs = [name for role in roles for name in _spec(role).get("options", {})]
    chapters = {role.name: (_summary(role), tables[role]) for role in roles}
    yield root / "docs/variables.md", _variables_page(chapters, environments_table(root), options_table(root, inputs))
    yield root / "docs/modules.md", _modules_page(root)


def variables_table(role: Path) -> str:
    """Return the Markdown table of a role's inputs: name, type, default and description, in the order of its spec."""
    defaults = _yaml(role / "defaults/main.yml")
    rows = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, option in _spec(role).get("options", {}).items():
        kind = option.get("type", "str")
        kind = f"{kind} of {option['elements']}" if "elements" in option else kind
        shown = _default(defaults[name]) if name in defaults else "none: must be set"
        rows.append(f"| `{name}` | {kind} | {_cell(shown)} | {_cell(_meaning(option))} |")
    return "\n".join(rows)


def options_table(root: Path, inputs: Collection[str]) -> str:
    """Return the Markdown table of what playbooks read besides the inputs of roles, in the order of their names."""
    read: dict[str, tuple[str, set[str]]] = {}
    for path in sorted((root / "playbooks").glob("*.yml")):
        for name, default in _READ_BY_PLAYBOOK.findall(path.read_text(encoding="utf-8")):
            if name not in inputs:
                read.setdefault(name, (default, set()))[1].add(path.name)
    rows = ["| variable | default | playbook |", "| --- | --- | --- |"]
    for name, (default, playbooks) in sorted(read.items()):
        shown = "" if default in {"omit", "''"} else f"`{default}`"
        links = ", ".join(f"[{book}](../playbooks/{book})" for book in sorted(playbooks))
        rows.append(f"| `{name}` | {_cell(shown)} | {links} |")
    return "\n".join(rows)


def environments_table(root: Path) -> str:
    """Return the Markdown table of what each inventory sets, in the order of their own lines; `-` is nothing.

    The account, addresses and secrets are left out: they are not what an environment is chosen for.
    """
    found = sorted((root / "inventories").glob("*/group_vars/all/main.yml"))
    values = {path.parents[2].name: _yaml(path) for path in found}
    names = dict.fromkeys(name for inventory in values.values() for name in inventory)
    head = ["variable", *values]
    rows = [
        [f"`{name}`", *(_default(inventory[name]) if name in inventory else "-" for inventory in values.values())]
        for name in names
        if not name.startswith(_PLACES) and not isinstance(next(v[name] for v in values.values() if name in v), dict)
    ]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in [head, ["---"] * len(head), *rows])


def _default(value: Any) -> str:
    if isinstance(value, str) and value:
        return f"`{value}`"
    dumped = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    return f"`{dumped}`" if dumped != "''" else '`""`'


def _spec(role: Path) -> dict[str, Any]:
    spec: dict[str, Any] = _yaml(role / "meta/argument_specs.yml").get("argument_specs", {}).get("main", {})
    return spec


def _summary(role: Path) -> str:
    return str(_spec(role).get("short_description", "")).rstrip(".")


def _variables_page(roles: Mapping[str, tuple[str, str]], environments: str, options: str) -> str:
    intro = (
        "# Variables\n\n"
        + _NOTE
        + "\n\nEvery input of every role. Set them in `inventories/<env>/group_vars/all/main.yml`; "
        "names of resources are derived from the inputs of `naming` and are not inputs themselves.\n"
    )
    compared = (
        "## What the environments set\n\nWhere there is `-`, the default below counts. "
        f"`make new-environment NAME=staging LIKE=prod` makes another one.\n\n{environments}\n"
    )
    parts = [
        f"## {name}\n\n{summary}. See [the role](../roles/{name}/README.md).\n\n{table}\n"
        for name, (summary, table) in roles.items()
    ]
    playbooks = (
        "## Playbooks\n\nWhat single playbooks read besides, mostly given with `-e`; the head of each playbook and the "
        f"[runbooks](runbooks/README.md) say what for.\n\n{options}\n"
    )
    return "\n".join([intro, compared, *parts, playbooks])


def _between_markers(path: Path, table: str) -> str:
    text = _read(path)
    if text is None:
        raise DocumentationError(f"{path} does not exist: write the role's README with the lines {BEGIN} and {END}.")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DocumentationError(f"{path} lacks the lines {BEGIN} and {END}: add them where the table shall stand.")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _modules_page(root: Path) -> str:
    fragments = _fragments(root / "plugins/doc_fragments" / f"{_FRAGMENT}.py")
    intro = (
        f"# Modules\n\n{_NOTE}\n\nOne kind of AWS resource each, or one thing that operators do, in `library/`. "
        "An option that is not given is not managed: it is neither compared nor changed. "
        "Check mode writes nothing and says what would change; every change comes with a diff.\n"
    )
    modules = [path for path in sorted((root / "library").glob("*.py")) if not path.name.startswith("_")]
    return "\n".join([intro, *(_module(path, fragments) for path in modules)])


def _module(path: Path, fragments: Mapping[str, Mapping[str, Any]]) -> str:
    constants = _constants(ast.parse(path.read_text(encoding="utf-8")))
    if "DOCUMENTATION" not in constants:
        raise DocumentationError(f"{path} has no DOCUMENTATION: add it, so that people can use the module.")
    document = _loaded(constants["DOCUMENTATION"], path)
    options = dict(document.get("options", {}))
    for fragment in document.get("extends_documentation_fragment", []):
        # A module may say more than the shared text about an option of the same name.
        options = {
            **options,
            **{k: v for k, v in fragments.get(fragment, {}).get("options", {}).items() if k not in options},
        }
    parts = [f"## {document['module']}\n", f"{_plain(document['short_description'])}.\n"]
    parts += [f"{_plain(line)}\n" for line in _lines(document.get("description"))]
    parts += ["| option | type | default | meaning |\n| --- | --- | --- | --- |\n" + "\n".join(_rows(options)) + "\n"]
    parts += [f"{_plain(line)}\n" for line in _lines(document.get("notes"))]
    if constants.get("EXAMPLES", "").strip():
        parts.append(f"```yaml\n{constants['EXAMPLES'].strip()}\n```\n")
    return "\n".join(parts)


def _rows(options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str")
        kind = f"{kind} of {option['elements']}" if "elements" in option else kind
        if option.get("required"):
            kind += ", required"
        default = _default(option["default"]) if "default" in option else ""
        yield f"| `{prefix}{name}` | {kind} | {_cell(default)} | {_cell(_meaning(option))} |"
        yield from _rows(option.get("suboptions", {}), f"{prefix}{name}.")


def _meaning(option: Mapping[str, Any]) -> str:
    text = " ".join(_plain(line) for line in _lines(option.get("description")))
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", []))
    return f"{text} One of {choices}." if choices else text


def _plain(text: str) -> str:
    """Turn Ansible's markup into Markdown and keep angle brackets from becoming HTML."""
    marked = _MARKUP.sub(r"`\1`", _LINK.sub(r"[\1](\2)", text))
    parts = _CODE.split(marked)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _lines(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(line) for line in value or []]


def _fragments(path: Path) -> dict[str, dict[str, Any]]:
    """Return the shared documentation of modules by the name that `extends_documentation_fragment` uses."""
    found: dict[str, dict[str, Any]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            for name, text in _constants(node).items():
                key = _FRAGMENT if name == "DOCUMENTATION" else f"{_FRAGMENT}.{name.lower()}"
                found[key] = _loaded(text, path)
    return found


def _constants(node: ast.Module | ast.ClassDef) -> dict[str, str]:
    """Return the string constants assigned at the top of a module or a class, without importing anything."""
    found: dict[str, str] = {}
    for statement in node.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if isinstance(statement.value.value, str):
            found |= {target.id: statement.value.value for target in targets if isinstance(target, ast.Name)}
    return found


def _yaml(path: Path) -> dict[str, Any]:
    text = _read(path)
    if text is None:
        raise DocumentationError(
            f"{path} does not exist: a role declares its inputs in defaults and in its argument spec."
        )
    return _loaded(text, path)


def _loaded(text: str, path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentationError(f"{path} holds YAML that cannot be read: {' '.join(str(error).split())}.") from None
    return loaded if isinstance(loaded, dict) else {}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
