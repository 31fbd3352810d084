"""The contract of library/autoscaling_group.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-gpu-asg"
VPC = "tamma-dev-vpc"


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc", VPC))["Vpc"]["VpcId"]
    for at, name in enumerate(("a", "b")):
        zone = f"{aws.region}{name}"
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.20.{at}.0/24",
            AvailabilityZone=zone,
            TagSpecifications=_named("subnet", name),
        )
    image = ec2.register_image(Name="gpu", RootDeviceName="/dev/xvda")["ImageId"]
    for template in ("gpu", "other"):
        data = {"ImageId": image, "InstanceType": "g4dn.xlarge"}
        ec2.create_launch_template(LaunchTemplateName=template, LaunchTemplateData=data)


def _update(aws: Aws, **change: Any) -> None:
    aws.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=NAME, **change)


def _tag(aws: Aws, key: str, *, propagate: bool) -> None:
    where = {"ResourceId": NAME, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": propagate}
    aws.client("autoscaling").create_or_update_tags(Tags=[{**where, "Key": key, "Value": "tamma"}])


def _use(aws: Aws, template: str, version: str) -> None:
    _update(aws, LaunchTemplate={"LaunchTemplateName": template, "Version": version})


PRESENT: dict[str, Any] = {
    "name": NAME,
    "launch_template": "gpu",
    "min_size": 0,
    "max_size": 2,
    "vpc": VPC,
    "subnets": ["b", "a"],
    "new_instances_protected_from_scale_in": True,
    "health_check_type": "EC2",
    "suspended_processes": [],
    "tags": {"Project": "tamma"},
}
_COMMON = {
    "max_size": 3,
    "subnets": ["a"],
    "health_check_type": "ELB",
    "tags": {"Project": "tamma", "Environment": "dev"},
}
_DRIFT = [
    Drift("max_size", lambda aws: _update(aws, MaxSize=9)),
    Drift("health_check_type", lambda aws: _update(aws, HealthCheckType="ELB")),
    Drift("tags", lambda aws: _tag(aws, "Owner", propagate=True), "foreign tag"),
    Drift("tags", lambda aws: _tag(aws, "Project", propagate=False), "tag not on new instances"),
]

CASES = [
    Case(
        module="autoscaling_group",
        present=PRESENT,
        changed=_COMMON,
        drift=_DRIFT,
        refused=[
            Refusal({"max_size": -1}, "must satisfy"),
            Refusal({"min_size": 3}, "must satisfy"),
            Refusal({"subnets": []}, "name at least one"),
        ],
        parents=_parents,
        emulators=("ministack",),
        why_not={"moto": "the longer case below covers it"},
    ),
    Case(
        module="autoscaling_group",
        present=PRESENT,
        changed={**_COMMON, "launch_template": "other", "new_instances_protected_from_scale_in": False},
        drift=[
            *_DRIFT,
            Drift(
                "suspended_processes",
                lambda aws: aws.client("autoscaling").suspend_processes(
                    AutoScalingGroupName=NAME, ScalingProcesses=["Launch", "Terminate"]
                ),
                "starts nothing",
            ),
            Drift("launch_template", lambda aws: _use(aws, "other", "$Default"), "template"),
            Drift("launch_template", lambda aws: _use(aws, "gpu", "1"), "version"),
            Drift(
                "new_instances_protected_from_scale_in",
                lambda aws: _update(aws, NewInstancesProtectedFromScaleIn=False),
            ),
        ],
        parents=_parents,
        emulators=("moto",),
        why_not={"ministack": "UpdateAutoScalingGroup of ministack 1.5.33 ignores template and protection"},
        label="autoscaling_group-template",
    ),
]
