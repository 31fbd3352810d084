"""Finds the cases of the contract."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.contract.case import Case

EMULATORS = ("ministack", "moto")


def load_cases(folder: Path) -> list[Case]:
    """Return `CASE` or `CASES` of every file in the folder, in the order of their names."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"tamma_contract_case_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = getattr(module, "CASES", None) or [module.CASE]
        cases += found
    for case in cases:
        missing = [name for name in EMULATORS if name not in case.emulators and name not in case.why_not]
        if missing:
            raise ValueError(f"the case {case.id} leaves out {', '.join(missing)} without a reason in why_not")
    return cases
