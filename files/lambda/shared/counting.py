"""What the functions count: one line of CloudWatch's embedded metric format for each batch, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from collections.abc import Mapping

# The only dimension is the service, from POWERTOOLS_SERVICE_NAME: each further value would be another metric to pay.
NAMESPACE = "Tamma"  # also naming_metrics_namespace, which the alarms use


def publish(counts: Mapping[str, int]) -> None:
    """Write the counts of one batch; nothing when nothing was counted. Not for two threads at once."""
    if not counts:
        return
    metrics = Metrics(namespace=NAMESPACE)
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()
