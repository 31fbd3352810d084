"""Writes the tables of docs/scale.md.

Run `python -m benchmarks.scale.page`; `--check` writes nothing and says whether they are current.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.scale import tables
from benchmarks.scale.figures import ROOT, load_figures, load_stack
from benchmarks.scale.model import Job

PAGE = ROOT / "docs/scale.md"


def mean_job() -> Job:
    """Return the job that the page is about, on the default stack."""
    figures = load_figures()
    return Job(figures, load_stack(), figures.job["audio_minutes"].value)


PARTS = {
    "answer": tables.answer,
    "job": tables.job_table,
    "limits": tables.limits_table,
    "needs": tables.needs_table,
    "costs": tables.cost_table,
    "levers": tables.levers_table,
    "pool": tables.pool_sentence,
    "figures": tables.figures_table,
}


def render(text: str, job: Job) -> str:
    """Return the page with every part renewed. Raises ValueError when a part has no place in it."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}: written by benchmarks/scale/page.py -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"docs/scale.md lacks the lines {begin} and {end}: add them where the part shall stand.")
        text = f"{before}{begin}\n\n{part(job)}\n\n{end}{after}"
    return text


def main(argv: list[str] | None = None) -> int:
    """Write or check the page and return the exit code."""
    parser = argparse.ArgumentParser(description="Renew the tables of docs/scale.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")
    arguments = parser.parse_args(argv)
    before = PAGE.read_text(encoding="utf-8")
    after = render(before, mean_job())
    if before == after:
        return 0
    if arguments.check:
        print("docs/scale.md is stale: run `make docs` and commit what it writes.", file=sys.stderr)
        return 1
    PAGE.write_text(after, encoding="utf-8")
    print("wrote docs/scale.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
