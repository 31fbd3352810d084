"""The contract of library/ec2_launch_template.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-gpu"
VPC = "tamma-dev-vpc"
ROOT = {"device_name": "/dev/xvda", "volume_size": 60, "volume_type": "gp3", "encrypted": True}


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": VPC}]}]
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    for name in ("worker", "other"):
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
        aws.client("iam").create_instance_profile(InstanceProfileName=name)


def _version(aws: Aws, **data: Any) -> None:
    """Make a version the default that differs in one member."""
    ec2 = aws.client("ec2")
    found = ec2.describe_launch_template_versions(LaunchTemplateName=NAME, Versions=["$Default"])
    old = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    old.get("MetadataOptions", {}).pop("State", None)
    answer = ec2.create_launch_template_version(LaunchTemplateName=NAME, LaunchTemplateData={**old, **data})
    version = str(answer["LaunchTemplateVersion"]["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateName=NAME, DefaultVersion=version)


def _foreign_group(aws: Aws) -> None:
    groups = aws.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["other"]}])
    _version(aws, SecurityGroupIds=[groups["SecurityGroups"][0]["GroupId"]])


def _tag(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    template = ec2.describe_launch_templates(LaunchTemplateNames=[NAME])["LaunchTemplates"][0]["LaunchTemplateId"]
    ec2.create_tags(Resources=[template], Tags=[{"Key": "Owner", "Value": "somebody"}])


def _instance_tags(aws: Aws) -> None:
    only_instance = [{"ResourceType": "instance", "Tags": [{"Key": "Project", "Value": "tamma"}]}]
    _version(aws, TagSpecifications=only_instance)


PRESENT: dict[str, Any] = {
    "name": NAME,
    "image_id": "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id",
    "instance_type": "g4dn.xlarge",
    "instance_profile": "worker",
    "vpc": VPC,
    "security_groups": ["worker"],
    "metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1},
    "block_device_mappings": [ROOT],
    "user_data": "#!/bin/bash\necho ECS_CLUSTER=tamma-dev-cluster >> /etc/ecs/ecs.config\n",
    "monitoring": False,
    "other_settings": {},
    "instance_tags": {"Project": "tamma"},
    "tags": {"Project": "tamma"},
}

CASES = [
    Case(
        module="ec2_launch_template",
        present=PRESENT,
        changed={
            "image_id": "ami-12345678",
            "instance_type": "g5.xlarge",
            "instance_profile": "other",
            "security_groups": ["other", "worker"],
            "metadata_options": {"http_put_response_hop_limit": 2},
            "block_device_mappings": [{**ROOT, "volume_size": 80, "iops": 3000}],
            "user_data": "#!/bin/bash\n",
            "monitoring": True,
            "instance_tags": {"Project": "tamma", "Environment": "dev"},
            "tags": {"Project": "tamma", "Environment": "dev"},
        },
        drift=[
            Drift("instance_type", lambda aws: _version(aws, InstanceType="p4d.24xlarge")),
            Drift("metadata_options", lambda aws: _version(aws, MetadataOptions={"HttpTokens": "optional"})),
            Drift("other_settings", lambda aws: _version(aws, KeyName="thief"), "key pair"),
            Drift("security_groups", _foreign_group),
            Drift("user_data", lambda aws: _version(aws, UserData="")),
            Drift("instance_tags", _instance_tags),
            Drift("tags", _tag),
        ],
        refused=[
            Refusal({"block_device_mappings": [ROOT, ROOT]}, "names a device twice"),
        ],
        parents=_parents,
        emulators=("ministack",),
        why_not={"moto": "moto 5.2.5 cannot delete versions, so it has the shorter case below"},
    ),
    Case(
        module="ec2_launch_template",
        present=PRESENT,
        changed={"monitoring": True},
        drift=[Drift("security_groups", _foreign_group)],
        parents=_parents,
        emulators=("moto",),
        why_not={"ministack": "the longer case above covers it"},
        label="ec2_launch_template-few-versions",
    ),
]
