"""The contract of library/ecs_capacity_provider.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-gpu-cp"
GROUP = "tamma-dev-gpu-asg"


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    image = ec2.register_image(Name="gpu", RootDeviceName="/dev/xvda")["ImageId"]
    template = {"ImageId": image, "InstanceType": "g4dn.xlarge"}
    ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=template)
    aws.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=[f"{aws.region}a"],
        LaunchTemplate={"LaunchTemplateName": "gpu", "Version": "$Default"},
    )


def _update(aws: Aws, **change: Any) -> None:
    aws.client("ecs").update_capacity_provider(name=NAME, autoScalingGroupProvider=change)


def _scale(aws: Aws, **change: Any) -> None:
    ecs = aws.client("ecs")
    provider = ecs.describe_capacity_providers(capacityProviders=[NAME])["capacityProviders"][0]
    _update(aws, managedScaling={**provider["autoScalingGroupProvider"]["managedScaling"], **change})


def _tag(aws: Aws) -> None:
    ecs = aws.client("ecs")
    provider = ecs.describe_capacity_providers(capacityProviders=[NAME])["capacityProviders"][0]
    ecs.tag_resource(resourceArn=provider["capacityProviderArn"], tags=[{"key": "Owner", "value": "somebody"}])


CASE = Case(
    module="ecs_capacity_provider",
    present={
        "name": NAME,
        "auto_scaling_group": GROUP,
        "managed_scaling": {"status": "ENABLED", "target_capacity": 100, "maximum_scaling_step_size": 1},
        "managed_termination_protection": "ENABLED",
        "managed_draining": "ENABLED",
        "tags": {"Project": "tamma"},
    },
    changed={
        "managed_scaling": {"target_capacity": 80},
        "managed_termination_protection": "DISABLED",
        "managed_draining": "DISABLED",
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("managed_scaling", lambda aws: _scale(aws, targetCapacity=50)),
        Drift("managed_termination_protection", lambda aws: _update(aws, managedTerminationProtection="DISABLED")),
        Drift("managed_draining", lambda aws: _update(aws, managedDraining="DISABLED")),
        Drift("tags", _tag),
    ],
    refused=[
        Refusal({"name": "fargate-gpu"}, "is reserved"),
        Refusal({"managed_scaling": {"status": "DISABLED"}}, "set its status to ENABLED"),
        Refusal({"auto_scaling_group": "other"}, "cannot be changed"),
    ],
    parents=_parents,
    why_not={"managed_draining@moto": "UpdateCapacityProvider of moto 5.2.5 ignores it"},
)
