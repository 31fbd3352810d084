"""The contract of library/ecs_cluster.py."""

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-cluster"
SPOT = {"capacity_provider": "FARGATE_SPOT", "weight": 3}
ON_DEMAND = {"capacity_provider": "FARGATE", "weight": 1}


def _put_providers(aws: Aws, providers: list[str], strategy: list[dict[str, object]]) -> None:
    aws.client("ecs").put_cluster_capacity_providers(
        cluster=NAME, capacityProviders=providers, defaultCapacityProviderStrategy=strategy
    )


def _tag(aws: Aws) -> None:
    ecs = aws.client("ecs")
    arn = ecs.describe_clusters(clusters=[NAME])["clusters"][0]["clusterArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "Owner", "value": "somebody"}, {"key": "Project", "value": "x"}])


def _settings(aws: Aws) -> None:
    settings = [{"name": "containerInsights", "value": "disabled"}]
    aws.client("ecs").update_cluster(cluster=NAME, settings=settings)


_AS_PRESENT = [
    {"capacityProvider": "FARGATE", "weight": 1, "base": 0},
    {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
]

CASE = Case(
    module="ecs_cluster",
    present={
        "name": NAME,
        "capacity_providers": ["FARGATE_SPOT", "FARGATE"],
        "default_capacity_provider_strategy": [SPOT, ON_DEMAND],
        "container_insights": "enabled",
        "tags": {"Project": "tamma"},
    },
    changed={
        "default_capacity_provider_strategy": [{**SPOT, "weight": 1}, {**ON_DEMAND, "base": 1}],
        "container_insights": "enhanced",
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("capacity_providers", lambda aws: _put_providers(aws, ["FARGATE"], _AS_PRESENT), "provider removed"),
        Drift(
            "default_capacity_provider_strategy",
            lambda aws: _put_providers(aws, ["FARGATE", "FARGATE_SPOT"], _AS_PRESENT[:1]),
            "strategy replaced",
        ),
        Drift("container_insights", _settings),
        Drift("tags", _tag),
    ],
    refused=[
        Refusal({"capacity_providers": ["FARGATE"]}, "add it to capacity_providers"),
        Refusal(
            {
                "capacity_providers": ["FARGATE", "tamma-dev-gpu-cp"],
                "default_capacity_provider_strategy": [ON_DEMAND, {"capacity_provider": "tamma-dev-gpu-cp"}],
            },
            "mixes Fargate",
            "mixed strategy",
        ),
        Refusal(
            {"default_capacity_provider_strategy": [{**SPOT, "base": 1}, {**ON_DEMAND, "base": 1}]},
            "more than one provider",
            "two bases",
        ),
        Refusal({"default_capacity_provider_strategy": [{**SPOT, "weight": 0}]}, "every weight", "no weight"),
        Refusal(
            {"default_capacity_provider_strategy": [{**SPOT, "weight": 1001}]}, "outside 0-1000", "weight too large"
        ),
        Refusal({"default_capacity_provider_strategy": [SPOT, SPOT]}, "names a provider twice", "provider twice"),
    ],
)
