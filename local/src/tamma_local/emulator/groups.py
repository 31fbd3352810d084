# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""Auto Scaling groups whose launch template ministack neither changes nor knows by both its id and its name."""

from collections.abc import Callable, Mapping
from typing import Any

from tamma_local.emulator.contract import Ministack

_ID, _NAME = "LaunchTemplateId", "LaunchTemplateName"
_PROTECTED = "NewInstancesProtectedFromScaleIn"


def settled(ministack: Ministack, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `_create_asg` and `_update_asg`: the group has the template and the protection that were asked for."""
    value, groups = ministack.autoscaling._p, ministack.autoscaling._asgs

    def wrapped(params: Mapping[str, Any]) -> Any:
        answer = original(params)
        group = groups.get(value(params, "AutoScalingGroupName"))
        asked = {member: value(params, f"LaunchTemplate.{member}") for member in (_ID, _NAME)}
        for template in ministack.ec2._launch_templates.values() if group else ():
            if any(asked[member] == template[member] for member in asked):
                version = value(params, "LaunchTemplate.Version") or "$Default"
                group["LaunchTemplate"] = {member: template[member] for member in asked} | {"Version": version}
                group["LaunchConfigurationName"] = ""
        if group and value(params, _PROTECTED):
            group[_PROTECTED] = value(params, _PROTECTED) == "true"
        return answer

    return wrapped
