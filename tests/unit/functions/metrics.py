"""What the functions counted, read from their standard output."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def read_counts(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """Return what was counted since the last look; the only dimension is the service."""
    counts: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        if line.startswith('{"_aws"'):
            entry = json.loads(line)
            [directive] = entry["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == ("Tamma", [["service"]])
            assert set(entry) == {"_aws", "service"} | {metric["Name"] for metric in directive["Metrics"]}
            counts.update({metric["Name"]: int(sum(entry[metric["Name"]])) for metric in directive["Metrics"]})
    return dict(counts)
