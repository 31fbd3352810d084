"""Lookup: what this environment costs, as lines of text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cost_estimate
short_description: Estimate what the environment costs
description:
  - Returns lines of text about a month without jobs and about a thousand jobs, from the prices and guesses of
    F(benchmarks/scale/figures.toml) and from what the inventory sets. Asks nobody.
options: {}
author: [Tamma Infra]
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

_ROOT = Path(__file__).resolve().parents[2]
_NOT_CHECKED = "not checked"
_PRICED_REGION = "us-east-1"

# Modules get the project's module_utils from Ansible; in the controller Python has to be told.
if str(_ROOT / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(_ROOT / "module_utils"))


class LookupModule(LookupBase):
    """Estimate from the model behind docs/scale.md."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the lines."""
        del terms, kwargs
        if str(_ROOT) not in sys.path:
            sys.path.append(str(_ROOT))
        from benchmarks.scale.figures import load_figures, load_stack
        from benchmarks.scale.model import Job

        given, stack = variables or {}, load_stack()
        own = {name: self._templar.template(given[name]) for name in stack.variables if name in given}
        figures = load_figures()
        job = Job(figures, replace(stack, variables={**stack.variables, **own}), figures.job["audio_minutes"].value)
        region = str(self._templar.template(given.get("naming_region", _PRICED_REGION)))
        try:
            return list(lines(job, region))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise AnsibleError(
                "The costs cannot be estimated: an input of network, compute, dispatch or storage has a value that it "
                "may not have; make plan names it."
            ) from None


def lines(job: Any, region: str) -> Iterator[str]:
    """Yield the part of the page about costs."""
    from ansible.module_utils.tamma.tables import table

    from benchmarks.scale.resting import month_at_rest, thousand_jobs

    resting = month_at_rest(job)
    rows = [[line.name, f"{line.dollars:.2f}"] for line in resting]
    rows.append(["sum", f"{sum(line.dollars for line in resting):.2f}"])
    yield ""
    yield "Costs in US dollars"
    yield from table(["A MONTH WITHOUT JOBS", "USD"], rows)
    yield f"  1,000 jobs of {job.audio_minutes:g} minutes add {thousand_jobs(job):.2f}"
    yield f"  {_caveat(job, region)}"


def _caveat(job: Any, region: str) -> str:
    dates = [price.seen for price in job.figures.price.values()]
    checked = max(date for date in dates if date != _NOT_CHECKED)
    elsewhere = "" if region == _PRICED_REGION else f", in {region} they differ"
    return (
        f"List prices for {_PRICED_REGION}{elsewhere}, read {checked} or from memory ({dates.count(_NOT_CHECKED)} of "
        f"{len(dates)}): benchmarks/scale/figures.toml. Without Supabase, what is stored, GPU instances, tax."
    )
