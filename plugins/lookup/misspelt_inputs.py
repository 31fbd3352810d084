"""Lookup: variables that somebody set and nothing reads, because they are misspelt."""

from __future__ import annotations

DOCUMENTATION = r"""
name: misspelt_inputs
short_description: Find variables that are misspelt
description:
  - Returns a sentence for each variable that begins like one of a role and that no role knows, and for each that is
    nearly the name of an input of a role or a playbook. Argument specifications look at known names alone.
options: {}
author: [Tamma Infra]
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.lookup import LookupBase

_ROOT = Path(__file__).resolve().parents[2]
_SIMILAR = 0.88  # netwrok_nat is 0.91 like network_nat; vault_supabase_url 0.82 like secrets_supabase_url
_LIKELY = 0.6  # difflib's own measure of a good suggestion
_READ_BY_PLAYBOOK = re.compile(r"\b([a-z][a-z0-9_]+) \| default\(")
_WORD = re.compile(r"\b[a-z][a-z0-9_]+\b")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class LookupModule(LookupBase):
    """Compare the variables that are set with those that are read."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the sentences, none when all is well; of these names, when some are given, each must be an input."""
        del kwargs
        return list(
            sentences([str(term) for term in terms], strict=True) if terms else sentences(sorted(variables or {}))
        )


def sentences(names: list[str], *, strict: bool = False) -> Iterator[str]:
    """Yield a sentence for each name that is misspelt, and if `strict` for each that no role and no playbook reads."""
    root = _ROOT
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / "playbooks").glob("*.yml"))]
    roles = sorted(path.parent.parent.name for path in (root / "roles").glob("*/meta/argument_specs.yml"))
    inputs = {name for role in roles for name in _inputs(root / "roles" / role)}
    known = inputs | set(_yaml(root / "roles/naming/defaults/main.yml")) | set(_WORD.findall("\n".join(texts)))
    inputs |= set(_READ_BY_PLAYBOOK.findall("\n".join(texts)))
    prefixes = tuple(f"{role}_" for role in roles)
    for name in names:
        if name in (inputs if strict else known) or (not strict and name.startswith(("_", "ansible_"))):
            continue
        ours = strict or name.startswith(prefixes)
        meant = difflib.get_close_matches(name, inputs, n=1, cutoff=_LIKELY if ours else _SIMILAR)
        if ours or meant:
            suggestion = f"; did you mean {meant[0]}?" if meant else "; docs/variables.md has all that are."
            yield f"The variable {name} is set and nothing reads it{suggestion}"


def _inputs(role: Path) -> list[str]:
    return list(_yaml(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - the safe loader, in C if it can be
