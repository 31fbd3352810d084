"""What no emulator shows of the ECS modules: updates in progress, limits of a call, things in use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import ANY, StubbedAws

ACCOUNT = "arn:aws:ecs:us-east-1:123456789012"


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


def _cluster(**other: Any) -> dict[str, Any]:
    cluster = {"clusterName": "c", "clusterArn": f"{ACCOUNT}:cluster/c", "status": "ACTIVE", **other}
    return {"clusters": [cluster], "failures": []}


def test_a_cluster_that_is_being_updated_is_waited_for(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_clusters", _cluster(capacityProviders=["FARGATE"]))
    aws.refuses("ecs", "put_cluster_capacity_providers", "UpdateInProgressException", "busy")
    aws.answers(
        "ecs",
        "put_cluster_capacity_providers",
        {},
        cluster="c",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[],
    )
    aws.answers("ecs", "describe_clusters", _cluster(attachmentsStatus="UPDATE_IN_PROGRESS"))
    aws.answers("ecs", "describe_clusters", _cluster(attachmentsStatus="UPDATE_COMPLETE"))
    aws.answers("ecs", "describe_clusters", _cluster(capacityProviders=["FARGATE_SPOT", "FARGATE"]))
    outcome = aws.run("ecs_cluster", {"name": "c", "capacity_providers": ["FARGATE_SPOT", "FARGATE"]})
    assert outcome.changed, outcome.message
    assert outcome.resource["capacity_providers"] == ["FARGATE", "FARGATE_SPOT"]


def test_a_failed_attachment_is_told(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_clusters", {"clusters": [], "failures": []})
    aws.answers("ecs", "create_cluster", {})
    aws.answers("ecs", "describe_clusters", _cluster(attachmentsStatus="UPDATE_FAILED"))
    outcome = aws.run("ecs_cluster", {"name": "c", "capacity_providers": ["FARGATE"]})
    assert outcome.failed
    assert "could not attach the capacity providers" in outcome.message


def test_the_role_of_ecs_in_a_new_account_is_waited_for(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_clusters", {"clusters": [], "failures": []})
    aws.refuses("ecs", "create_cluster", "InvalidParameterException", "Unable to assume the service linked role.")
    aws.answers("ecs", "create_cluster", {}, clusterName="c", tags=[])
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "describe_clusters", _cluster())
    assert aws.run("ecs_cluster", {"name": "c"}).changed


def test_deletion_waits_for_tasks_detaches_providers_and_instances(aws: StubbedAws) -> None:
    used = {"capacityProviders": ["gpu"], "defaultCapacityProviderStrategy": [{"capacityProvider": "gpu", "weight": 1}]}
    aws.answers("ecs", "describe_clusters", _cluster(**used))
    aws.answers("ecs", "describe_clusters", _cluster(runningTasksCount=1))
    aws.answers("ecs", "describe_clusters", _cluster(runningTasksCount=0))
    aws.answers("ecs", "list_services", {"serviceArns": []}, cluster="c")
    aws.answers(
        "ecs",
        "put_cluster_capacity_providers",
        {},
        cluster="c",
        capacityProviders=[],
        defaultCapacityProviderStrategy=[],
    )
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "list_container_instances", {"containerInstanceArns": ["arn:instance"]}, cluster="c")
    aws.answers("ecs", "deregister_container_instance", {}, cluster="c", containerInstance="arn:instance", force=True)
    aws.answers("ecs", "delete_cluster", {}, cluster="c")
    aws.answers("ecs", "describe_clusters", {"clusters": [{"status": "INACTIVE"}], "failures": []})
    outcome = aws.run("ecs_cluster", {"name": "c", "state": "absent"})
    assert outcome.changed, outcome.message


def test_an_instance_that_registers_late_does_not_keep_the_cluster(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "list_services", {"serviceArns": []}, cluster="c")
    aws.answers("ecs", "list_container_instances", {"containerInstanceArns": []}, cluster="c")
    aws.refuses("ecs", "delete_cluster", "ClusterContainsContainerInstancesException")
    aws.answers("ecs", "list_container_instances", {"containerInstanceArns": ["arn:late"]}, cluster="c")
    aws.answers("ecs", "deregister_container_instance", {}, cluster="c", containerInstance="arn:late", force=True)
    aws.answers("ecs", "delete_cluster", {}, cluster="c")
    aws.answers("ecs", "describe_clusters", {"clusters": [{"status": "INACTIVE"}], "failures": []})
    assert aws.run("ecs_cluster", {"name": "c", "state": "absent"}).changed


def test_tasks_that_run_are_stopped_on_request(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_clusters", _cluster(runningTasksCount=1))
    aws.answers("ecs", "list_tasks", {"taskArns": ["arn:task"]}, cluster="c", desiredStatus="RUNNING")
    aws.answers("ecs", "stop_task", {}, cluster="c", task="arn:task", reason=ANY)
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "list_services", {"serviceArns": []}, cluster="c")
    aws.answers("ecs", "list_container_instances", {"containerInstanceArns": []}, cluster="c")
    aws.answers("ecs", "delete_cluster", {}, cluster="c")
    aws.answers("ecs", "describe_clusters", {"clusters": [{"status": "INACTIVE"}], "failures": []})
    outcome = aws.run("ecs_cluster", {"name": "c", "state": "absent", "force_delete": True})
    assert outcome.before["holds"] == "1 task"


def test_services_that_want_no_task_go_with_the_cluster(aws: StubbedAws) -> None:
    found = [{"serviceArn": f"arn:{wanted}", "desiredCount": wanted} for wanted in (0, 1)]
    arns = [service["serviceArn"] for service in found]
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "describe_clusters", _cluster())
    aws.answers("ecs", "list_services", {"serviceArns": arns}, cluster="c")
    aws.answers("ecs", "describe_services", {"services": found}, cluster="c", services=arns)
    aws.answers("ecs", "delete_service", {}, cluster="c", service="arn:0", force=True)
    aws.answers("ecs", "list_container_instances", {"containerInstanceArns": []}, cluster="c")
    aws.answers("ecs", "delete_cluster", {}, cluster="c")
    aws.answers("ecs", "describe_clusters", {"clusters": [{"status": "INACTIVE"}], "failures": []})
    assert aws.run("ecs_cluster", {"name": "c", "state": "absent"}).changed


def _provider(group_arn: str) -> dict[str, Any]:
    provider = {
        "name": "gpu",
        "capacityProviderArn": f"{ACCOUNT}:capacity-provider/gpu",
        "status": "ACTIVE",
        "autoScalingGroupProvider": {"autoScalingGroupArn": group_arn},
    }
    return {"capacityProviders": [provider]}


def _group_arn(number: int) -> str:
    return f"arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:{number}:autoScalingGroupName/asg"


def _groups(arn: str) -> dict[str, Any]:
    group = {
        "AutoScalingGroupName": "asg",
        "AutoScalingGroupARN": arn,
        "MinSize": 0,
        "MaxSize": 1,
        "DesiredCapacity": 0,
        "DefaultCooldown": 300,
        "AvailabilityZones": [],
        "HealthCheckType": "EC2",
        "CreatedTime": 0,
    }
    return {"AutoScalingGroups": [group]}


def test_a_provider_in_use_is_not_deleted(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_capacity_providers", _provider(_group_arn(1)))
    aws.answers("autoscaling", "describe_auto_scaling_groups", _groups(_group_arn(1)))
    aws.answers("ecs", "list_clusters", {"clusterArns": [f"{ACCOUNT}:cluster/c"]})
    aws.answers("ecs", "describe_clusters", _cluster(capacityProviders=["gpu"]))
    outcome = aws.run("ecs_capacity_provider", {"name": "gpu", "state": "absent"})
    assert outcome.failed
    assert "still used by c; take it out of the cluster first" in outcome.message
    assert outcome.writes == []


def test_a_provider_of_a_group_that_was_made_anew_is_made_anew_and_put_back_into_its_clusters(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_capacity_providers", _provider(_group_arn(1)))
    aws.answers("autoscaling", "describe_auto_scaling_groups", _groups(_group_arn(2)))
    aws.answers("ecs", "list_clusters", {"clusterArns": [f"{ACCOUNT}:cluster/c"]})
    aws.answers("ecs", "describe_clusters", _cluster(capacityProviders=["FARGATE", "gpu"]))
    put = {"cluster": "c", "defaultCapacityProviderStrategy": []}
    aws.answers("ecs", "put_cluster_capacity_providers", {}, **put, capacityProviders=["FARGATE"])
    aws.answers("ecs", "list_clusters", {"clusterArns": []})
    aws.answers("ecs", "delete_capacity_provider", {}, capacityProvider="gpu")
    aws.answers("ecs", "describe_capacity_providers", {"capacityProviders": []})
    aws.answers("autoscaling", "describe_auto_scaling_groups", _groups(_group_arn(2)))
    group = {"autoScalingGroupArn": _group_arn(2), "managedScaling": {}, "managedDraining": "ENABLED"}
    aws.answers("ecs", "create_capacity_provider", {}, name="gpu", autoScalingGroupProvider=group, tags=[])
    aws.answers("ecs", "put_cluster_capacity_providers", {}, **put, capacityProviders=["FARGATE", "gpu"])
    aws.answers("ecs", "describe_capacity_providers", _provider(_group_arn(2)))
    aws.answers("autoscaling", "describe_auto_scaling_groups", _groups(_group_arn(2)))
    outcome = aws.run("ecs_capacity_provider", {"name": "gpu", "auto_scaling_group": "asg"})
    assert outcome.changed, outcome.message
    assert outcome.before["auto_scaling_group"] == "asg (deleted)"
    assert outcome.resource["auto_scaling_group"] == "asg"


def _definition(**other: Any) -> dict[str, Any]:
    definition = {
        "taskDefinitionArn": f"{ACCOUNT}:task-definition/family:3",
        "family": "family",
        "revision": 3,
        "status": "ACTIVE",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "4096",
        "containerDefinitions": [{"name": "worker", "image": "i:1"}],
        "registeredBy": "somebody",
        "requiresAttributes": [{"name": "x"}],
        "pidMode": "task",
        **other,
    }
    return {"taskDefinition": definition, "tags": [{"key": "Project", "value": "tamma"}]}


def test_what_is_not_managed_is_carried_over_to_the_next_revision(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_task_definition", _definition())
    aws.answers(
        "ecs",
        "register_task_definition",
        {},
        family="family",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="4096",
        pidMode="task",
        containerDefinitions=[{"name": "worker", "image": "i:2", "cpu": 0, "essential": True}],
        tags=[{"key": "Project", "value": "tamma"}],
    )
    aws.answers("ecs", "describe_task_definition", _definition(revision=4))
    containers = [{"name": "worker", "image": "i:2"}]
    outcome = aws.run("ecs_task_definition", {"name": "family", "container_definitions": containers})
    assert outcome.changed, outcome.message
    assert outcome.resource["revision"] == 4


def test_a_changed_size_is_judged_with_the_size_that_is_kept(aws: StubbedAws) -> None:
    aws.answers("ecs", "describe_task_definition", _definition())
    containers = [{"name": "worker", "image": "i:1"}]
    options = {"name": "family", "container_definitions": containers, "cpu": 4096}
    outcome = aws.run("ecs_task_definition", options, check=True)
    assert outcome.failed
    assert "no 4096 MiB for 4096 CPU units" in outcome.message


def test_revisions_are_deleted_in_tens(aws: StubbedAws) -> None:
    arns = [f"{ACCOUNT}:task-definition/family:{number}" for number in range(1, 13)]
    foreign = f"{ACCOUNT}:task-definition/family-of-others:1"
    listed = {"taskDefinitionArns": [*arns, foreign]}
    aws.answers("ecs", "list_task_definitions", {"taskDefinitionArns": []}, familyPrefix="family", status="ACTIVE")
    aws.answers("ecs", "list_task_definitions", listed, familyPrefix="family", status="INACTIVE")
    aws.answers("ecs", "list_task_definitions", {"taskDefinitionArns": []}, familyPrefix="family", status="ACTIVE")
    aws.answers("ecs", "list_task_definitions", listed, familyPrefix="family", status="INACTIVE")
    aws.answers("ecs", "delete_task_definitions", {}, taskDefinitions=arns[:1:-1])
    aws.answers("ecs", "delete_task_definitions", {}, taskDefinitions=arns[1::-1])
    outcome = aws.run("ecs_task_definition", {"name": "family", "state": "absent"})
    assert outcome.changed, outcome.message
    assert outcome.before["revisions"] == [f"family:{number}" for number in range(1, 13)]


def test_a_revision_that_aws_keeps_is_told(aws: StubbedAws) -> None:
    arn = f"{ACCOUNT}:task-definition/family:1"
    for _ in range(2):
        aws.answers("ecs", "list_task_definitions", {"taskDefinitionArns": []})
        aws.answers("ecs", "list_task_definitions", {"taskDefinitionArns": [arn]})
    aws.answers("ecs", "delete_task_definitions", {"failures": [{"arn": arn, "reason": "IN_USE"}]}, taskDefinitions=ANY)
    outcome = aws.run("ecs_task_definition", {"name": "family", "state": "absent"})
    assert outcome.failed
    assert f"did not delete {arn}: IN_USE" in outcome.message
