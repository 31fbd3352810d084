#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: whether an account has room for a stack, and what it will cost."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Look whether an account has room for a stack
description:
  - Compares the region, its zones and the quotas of the account with what a stack needs. Writes nothing.
  - Refuses what could not work at all; warns of a quota that holds less than all that is wanted.
  - Quotas that cannot be read are a sentence in the report and no reason to refuse.
options:
  title:
    description: What the report is headed with.
    type: str
    required: true
  wanted_region:
    description: Region that the inventory names; requests must go there.
    type: str
    required: true
  zones:
    description: Availability zones that the network is laid out in.
    type: list
    elements: str
    required: true
  own_names:
    description:
      - Tags C(Name) of the stack's VPC and addresses, which tell them from those of others; what is being adopted has
        these names and not yet its other tags.
    type: list
    elements: str
    required: true
  jobs_at_once:
    description: Jobs that shall run at the same time.
    type: int
    required: true
  worker_vcpus:
    description: Virtual CPUs of a worker's task.
    type: float
    required: true
  spot_share:
    description: Share of the tasks on Fargate Spot, 0-1.
    type: float
    required: true
  gpu_instances:
    description: GPU instances that shall run at the same time.
    type: int
    default: 0
  gpu_instance_type:
    description: Their type.
    type: str
    required: true
  nat_gateways:
    description: NAT gateways, each with an address of its own.
    type: int
    required: true
  more:
    description: Further lines of the report, such as costs.
    type: list
    elements: str
    default: []
  show:
    description: Whether the report is printed.
    type: bool
    default: true
extends_documentation_fragment: [tamma_resource.reader]
notes:
  - Exists because no module compares Service Quotas with a plan.
"""

EXAMPLES = r"""
- name: Look whether there is room
  preflight_info:
    title: tamma-dev
    wanted_region: us-east-1
    zones: [us-east-1a, us-east-1b, us-east-1c]
    own_names: [tamma-dev-vpc, tamma-dev-nat-us-east-1a]
    jobs_at_once: 4
    worker_vcpus: 1
    spot_share: 0.75
    gpu_instance_type: g5.xlarge
    nat_gateways: 1
"""

RETURN = r"""
quotas:
  description: For each quota its C(name), C(value), C(needed), C(others) and C(verdict) (C(ok) or C(low)).
  returned: when they could be read
  type: list
  elements: dict
report:
  description: The same as a page of text, with the costs.
  returned: when it shall be printed
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import IMPATIENT, Module
from ansible.module_utils.tamma.quotas import QUOTAS, Need, foreign, value_of
from ansible.module_utils.tamma.tables import table
from botocore.exceptions import BotoCoreError, ClientError

_SPEC: dict[str, Any] = {
    "title": {"type": "str", "required": True},
    "wanted_region": {"type": "str", "required": True},
    "zones": {"type": "list", "elements": "str", "required": True},
    "own_names": {"type": "list", "elements": "str", "required": True},
    "jobs_at_once": {"type": "int", "required": True},
    "worker_vcpus": {"type": "float", "required": True},
    "spot_share": {"type": "float", "required": True},
    "gpu_instances": {"type": "int", "default": 0},
    "gpu_instance_type": {"type": "str", "required": True},
    "nat_gateways": {"type": "int", "required": True},
    "more": {"type": "list", "elements": "str", "default": []},
    "show": {"type": "bool", "default": True},
}
_FEWEST_JOBS = 1


def refuse_region(module: Any, params: dict[str, Any]) -> None:
    """Raise RefusalError when requests go to another region, or the account lacks one of its zones."""
    ec2 = module.client("ec2")
    if ec2.meta.region_name != params["wanted_region"]:
        raise RefusalError(
            f"naming_region is {params['wanted_region']} and requests go to {ec2.meta.region_name}; "
            "set AWS_REGION in aws_environment to naming_region"
        )
    zones = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    if missing := [zone for zone in params["zones"] if zone not in zones]:
        raise RefusalError(
            f"{params['wanted_region']} has no {' and no '.join(missing)} for this account, "
            f"it has {', '.join(sorted(zones))}; "
            "choose a naming_region with zones a, b and c"
        )


def wanted(params: dict[str, Any]) -> list[str]:
    """Return the names of the quotas that the stack needs anything of."""
    asked = {
        "spot": params["spot_share"] > 0,
        "on_demand": params["spot_share"] < 1,
        "interfaces": True,
        "gpu": params["gpu_instances"] > 0,
        "networks": True,
        "addresses": params["nat_gateways"] > 0,
    }
    return [name for name, needed in asked.items() if needed]


def needs(module: Any, params: dict[str, Any]) -> dict[str, Need]:
    """Return what the stack needs of each quota that it needs anything of, by name."""
    ec2, jobs, vcpus = module.client("ec2"), params["jobs_at_once"], params["worker_vcpus"]
    why, instead = f"{jobs} jobs at once (preflight_jobs_at_once)", "lower preflight_jobs_at_once"
    found = {
        kind: Need(QUOTAS[kind], jobs * share * vcpus, vcpus, why, f"{instead} or {weight}")
        for kind, share, weight in (
            ("spot", params["spot_share"], "dispatch_spot_weight"),
            ("on_demand", 1 - params["spot_share"], "dispatch_on_demand_weight"),
        )
        if share
    }
    found["interfaces"] = Need(QUOTAS["interfaces"], jobs + params["nat_gateways"], 1, why, instead)
    if gpus := params["gpu_instances"]:
        kind = params["gpu_instance_type"]
        described = ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0]
        each = described["VCpuInfo"]["DefaultVCpus"]
        why = f"{gpus} {kind} at once (preflight_gpu_instances)"
        found["gpu"] = Need(QUOTAS["gpu"], gpus * each, each, why, "set preflight_gpu_instances to 0")
    others = foreign(ec2.describe_vpcs()["Vpcs"], params["own_names"])
    found["networks"] = Need(QUOTAS["networks"], 1, 1, "this stack's own VPC would", "delete a VPC", others)
    if gateways := params["nat_gateways"]:
        others = foreign(ec2.describe_addresses()["Addresses"], params["own_names"])
        why = "the addresses of NAT gateways (network_nat)"
        instead = "set network_nat to single or none"
        found["addresses"] = Need(QUOTAS["addresses"], gateways, gateways, why, instead, others)
    return found


def judge(module: Any, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare each quota; warn of low ones, and raise RefusalError with all that are too small."""
    client = module.client("service-quotas", aws_config=IMPATIENT)
    # Quotas first: where they cannot be read, nothing else needs to be.
    known = {name: value_of(client, QUOTAS[name]) for name in wanted(params)}
    values = [(need, known[name]) for name, need in needs(module, params).items()]
    refused = [need.sentence(value) for need, value in values if need.verdict(value) == "too small"]
    if refused:
        raise RefusalError(" ".join(refused))
    for need, value in values:
        if need.verdict(value) == "low":
            module.warn(need.sentence(value))
    return [
        {"name": need.quota.words, "value": value, "needed": need.amount, "others": need.others,
         "verdict": need.verdict(value)}
        for need, value in values
    ]  # fmt: skip


def page(params: dict[str, Any], quotas: list[dict[str, Any]] | str) -> list[str]:
    """Return the report."""
    head = [
        f"{params['title']}: the account and {params['wanted_region']} with its zones are as the inventory says.",
        "",
    ]
    if isinstance(quotas, str):
        return [*head, f"Quotas: {quotas}", *params["more"]]
    rows = [[it["name"], f"{it['value']:g}", f"{it['others']:g}", f"{it['needed']:g}", it["verdict"]] for it in quotas]
    return [*head, "Quotas", *table(["QUOTA", "VALUE", "OTHERS", "NEEDED", "VERDICT"], rows), *params["more"]]


def main() -> None:
    """Look, and say what there is."""
    module = Module(argument_spec=_SPEC, supports_check_mode=True)
    params = module.params
    if params["jobs_at_once"] < _FEWEST_JOBS or params["gpu_instances"] < 0:
        module.fail_json(msg="Preflight: preflight_jobs_at_once is 1 or more, preflight_gpu_instances 0 or more.")
    quotas: list[dict[str, Any]] | str
    try:
        refuse_region(module, params)
        quotas = judge(module, params)
    except RefusalError as error:
        module.fail_json(msg=sentence("Preflight", error))
    except (BotoCoreError, ClientError) as error:
        quotas = sentence("could not be read", error)
    found = {"quotas": quotas} if isinstance(quotas, list) else {}
    report = {"report": page(params, quotas)} if params["show"] else {}
    module.exit_json(changed=False, **found, **report)


if __name__ == "__main__":
    main()
