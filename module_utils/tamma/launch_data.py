"""The data of a launch template: our option names and AWS's, in both directions."""

from __future__ import annotations

import base64
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.plan import State, given

_ON_OFF = {"type": "str", "choices": ["enabled", "disabled"]}
SPEC: dict[str, Any] = {
    "image_id": {"type": "str"},
    "instance_type": {"type": "str"},
    "instance_profile": {"type": "str"},
    "security_groups": {"type": "list", "elements": "str"},
    "metadata_options": {
        "type": "dict",
        "options": {
            "http_endpoint": _ON_OFF,
            "http_tokens": {"type": "str", "choices": ["optional", "required"]},
            "http_put_response_hop_limit": {"type": "int"},
            "instance_metadata_tags": _ON_OFF,
        },
    },
    "block_device_mappings": {
        "type": "list",
        "elements": "dict",
        "options": {
            "device_name": {"type": "str", "required": True},
            "volume_size": {"type": "int"},
            "volume_type": {"type": "str"},
            "encrypted": {"type": "bool"},
            "delete_on_termination": {"type": "bool"},
            "iops": {"type": "int"},
            "throughput": {"type": "int"},
        },
    },
    "user_data": {"type": "str"},
    "monitoring": {"type": "bool"},
    "instance_tags": {"type": "dict"},
    "other_settings": {"type": "dict"},
}
"""Argument specification; group names are looked up by the module."""

_METADATA = {
    "http_endpoint": "HttpEndpoint",
    "http_tokens": "HttpTokens",
    "http_put_response_hop_limit": "HttpPutResponseHopLimit",
    "instance_metadata_tags": "InstanceMetadataTags",
}
_VOLUME = {
    "volume_size": "VolumeSize",
    "volume_type": "VolumeType",
    "encrypted": "Encrypted",
    "delete_on_termination": "DeleteOnTermination",
    "iops": "Iops",
    "throughput": "Throughput",
}
_PLAIN = {"image_id": "ImageId", "instance_type": "InstanceType"}
_TAGGED = ("instance", "volume")
# Members that have an option; `SecurityGroups` are the same groups by name.
_KNOWN = {
    *_PLAIN.values(),
    *("IamInstanceProfile", "SecurityGroupIds", "SecurityGroups", "MetadataOptions", "BlockDeviceMappings"),
    *("UserData", "Monitoring", "TagSpecifications"),
}


def from_aws(data: dict[str, Any]) -> State:
    """Return a version's data in normal form, security groups as sorted ids."""
    profile, metadata = data.get("IamInstanceProfile", {}), data.get("MetadataOptions", {})
    return {
        **{ours: data.get(theirs) for ours, theirs in _PLAIN.items()},
        "instance_profile": profile.get("Name") or profile.get("Arn", "").rpartition("/")[2] or None,
        "security_groups": sorted(data.get("SecurityGroupIds", [])),
        "metadata_options": {ours: metadata.get(theirs) for ours, theirs in _METADATA.items()},
        "block_device_mappings": _volumes(data),
        "user_data": base64.b64decode(data.get("UserData", "")).decode(errors="replace"),
        "monitoring": data.get("Monitoring", {}).get("Enabled", False),
        "instance_tags": _instance_tags(data),
        "other_settings": {name: value for name, value in data.items() if name not in _KNOWN and value},
    }


def to_aws(old: dict[str, Any], state: State) -> dict[str, Any]:
    """Lay properties over a version's data (security groups as ids); what is not managed stays as it was."""
    data = {**old, **{theirs: state[ours] for ours, theirs in _PLAIN.items() if ours in state}}
    if "instance_profile" in state:
        data["IamInstanceProfile"] = {"Name": state["instance_profile"]} if state["instance_profile"] else {}
    if "security_groups" in state:
        data["SecurityGroupIds"], data["SecurityGroups"] = state["security_groups"], []
    if "metadata_options" in state:
        wanted = given(state["metadata_options"])
        data["MetadataOptions"] = {
            **old.get("MetadataOptions", {}),
            **{_METADATA[name]: wanted[name] for name in wanted},
        }
    if "block_device_mappings" in state:
        data["BlockDeviceMappings"] = [_mapping(volume) for volume in state["block_device_mappings"]]
    if "user_data" in state:
        data["UserData"] = base64.b64encode(state["user_data"].encode()).decode()
    if "monitoring" in state:
        data["Monitoring"] = {"Enabled": state["monitoring"]}
    if "instance_tags" in state:
        pairs = tags.to_pairs(state["instance_tags"])
        others = [item for item in old.get("TagSpecifications", []) if item["ResourceType"] not in _TAGGED]
        data["TagSpecifications"] = [*others, *({"ResourceType": kind, "Tags": pairs} for kind in _TAGGED if pairs)]
    if "other_settings" in state:
        data = {name: value for name, value in data.items() if name in _KNOWN}
    return {name: value for name, value in data.items() if value not in ([], {}, "")}


def _volumes(data: dict[str, Any]) -> list[dict[str, Any]]:
    volumes = [
        given(
            {
                "device_name": mapping["DeviceName"],
                **{ours: mapping.get("Ebs", {}).get(theirs) for ours, theirs in _VOLUME.items()},
            }
        )
        for mapping in data.get("BlockDeviceMappings", [])
    ]
    return sorted(volumes, key=lambda volume: str(volume["device_name"]))


def _mapping(volume: dict[str, Any]) -> dict[str, Any]:
    ebs = {theirs: volume[ours] for ours, theirs in _VOLUME.items() if ours in volume}
    return {"DeviceName": volume["device_name"], **({"Ebs": ebs} if ebs else {})}


def _instance_tags(data: dict[str, Any]) -> dict[str, Any]:
    found = {item["ResourceType"]: tags.to_dict(item.get("Tags")) for item in data.get("TagSpecifications", [])}
    instance, volume = (found.get(kind, {}) for kind in _TAGGED)
    # One option stands for both; when they differ, both are shown, which equals nothing that can be asked for.
    return instance if instance == volume else {"instance": instance, "volume": volume}
