"""The figures of figures.toml and of the roles' defaults, checked when they are read."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FIGURES = Path(__file__).with_name("figures.toml")
ROLES = ("network", "compute", "dispatch", "job_queue", "storage")
RESERVED_ADDRESSES = 5  # AWS keeps five of every subnet


@dataclass(frozen=True)
class Figure:
    """One number, with where it is from or why it was assumed, and when that was looked up."""

    value: float
    source: str
    seen: str = ""
    name: str = ""
    adjustable: bool = False


@dataclass(frozen=True)
class Figures:
    """Assumptions about a job, quotas and prices, by their names in figures.toml."""

    job: Mapping[str, Figure]
    quota: Mapping[str, Figure]
    price: Mapping[str, Figure]


def load_figures(path: Path = FIGURES) -> Figures:
    """Read the figures. Raises KeyError for one without a value or without a source."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return Figures(
        job={name: Figure(entry["value"], entry["why"]) for name, entry in tables["job"].items()},
        quota={
            name: Figure(entry["value"], entry["source"], entry["seen"], entry["name"], entry["adjustable"])
            for name, entry in tables["quota"].items()
        },
        price={name: Figure(entry["value"], entry["source"], entry["seen"]) for name, entry in tables["price"].items()},
    )


@dataclass(frozen=True)
class Stack:
    """What the roles deploy when the inventory sets nothing; names are those of the variables."""

    variables: Mapping[str, Any]
    reconciler_concurrency: int
    fifo_high_throughput: bool

    def number(self, name: str) -> float:
        """Return a role variable that is a number."""
        return float(self.variables[name])

    @property
    def spot_share(self) -> float:
        """The share of tasks that run on Spot, from the weights."""
        spot, on_demand = self.number("dispatch_spot_weight"), self.number("dispatch_on_demand_weight")
        return spot / (spot + on_demand)

    @property
    def addresses(self) -> int:
        """The addresses that tasks can take, in the subnets that they run in."""
        cidrs = self.variables["network_public_cidrs" if self.nat_gateways == 0 else "network_private_cidrs"]
        return sum(ipaddress.ip_network(cidr).num_addresses - RESERVED_ADDRESSES for cidr in cidrs)

    @property
    def nat_gateways(self) -> int:
        """How many NAT gateways there are."""
        return {"none": 0, "single": 1, "per_az": len(self.variables["network_private_cidrs"])}[
            self.variables["network_nat"]
        ]

    @property
    def run_task_rate(self) -> float | None:
        """The pace that the dispatcher keeps, in tasks per second; None when nothing but its concurrency paces it."""
        rate = self.variables.get("dispatch_run_task_rate")
        return float(rate) if rate else None


def load_stack(root: Path = ROOT) -> Stack:
    """Read what the roles deploy by default."""
    variables: dict[str, Any] = {}
    for role in ROLES:
        variables |= read_yaml(root / f"roles/{role}/defaults/main.yml")
    return Stack(
        variables=variables,
        reconciler_concurrency=int(
            _task(root / "roles/dispatch/tasks/present.yml", "naming_reconciler_function")["maximum_concurrency"]
        ),
        fifo_high_throughput=(
            _task(root / "roles/job_queue/tasks/present.yml", "naming_jobs_queue")["fifo_throughput_limit"]
            == "perMessageGroupId"
        ),
    )


def _task(path: Path, resource: str) -> dict[str, Any]:
    """Return the arguments of the module that is given a resource as its function or its name."""
    for task in read_yaml(path):
        for arguments in task.values():
            if isinstance(arguments, dict) and f"{{{{ {resource} }}}}" in (
                arguments.get("function"),
                arguments.get("name"),
            ):
                return arguments
    raise KeyError(f"{path} makes no {resource}")


def read_yaml(path: Path) -> Any:
    """Return a YAML file of the roles as plain data."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
