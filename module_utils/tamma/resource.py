"""One kind of AWS resource: find it, plan, act. Every module in library/ is a subclass and a call of `run`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible.module_utils.tamma import lost
from ansible.module_utils.tamma.errors import RefusalError, sentence
from ansible.module_utils.tamma.module import Module
from ansible.module_utils.tamma.plan import Plan, State, difference, given, plan_absent, plan_present, veil
from botocore.exceptions import BotoCoreError, ClientError


class Planned(ABC):
    """What a module is about, and `run` carries out: something that is read, planned for, and then acted on."""

    kind: ClassVar[str]
    """What a person calls it, for example `SQS queue`."""
    identity: ClassVar[Mapping[str, Any]] = {"name": {"type": "str", "required": True}}
    """Argument specification of the options that say which one is meant."""
    spec: ClassVar[Mapping[str, Any]]
    """Argument specification of the properties, beside the identity."""
    controls: ClassVar[Mapping[str, Any]] = {}
    """Argument specification of the options that steer a run and are no property."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Options without which it cannot be present."""
    hidden: ClassVar[frozenset[str]] = frozenset()
    """Properties whose values must not be shown."""

    def __init__(self, params: Mapping[str, Any], connect: Callable[[str], Any]) -> None:
        """Take the module's parameters and a function that returns a boto3 client for a service."""
        self.params = params
        self._connect = connect
        self._clients: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """What it is called in messages; its identity."""
        return " ".join(str(self.params[option]) for option in self.identity)

    def client(self, service: str) -> Any:
        """Return a boto3 client, made once."""
        if service not in self._clients:
            self._clients[service] = self._connect(service)
            lost.mind(self._clients[service])
        return self._clients[service]

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Return the whole argument specification of the module."""
        return {**cls.identity, **cls.spec, **cls.controls}

    @abstractmethod
    def plan(self) -> Plan:
        """Read what is there and return what has to be done; writes nothing."""

    @abstractmethod
    def apply(self, plan: Plan) -> State:
        """Carry a plan out and return the state afterwards."""

    def report(self, plan: Plan, state: State) -> list[str]:
        """Return lines that a person reads at the end of the run; most kinds have the summary alone.

        In check mode `state` is what would be, and without a change it is what is.
        """
        del plan, state
        return []


class Resource(Planned):
    """A resource in normal form: our option names, real types, tags as a dict, sets sorted, policies canonical.

    `find` returns all properties it can read; `create`, `update` and `delete` write. An option that is not given is not
    managed: it is neither compared nor written.
    """

    immutable: ClassVar[Mapping[str, str]] = {}
    """Properties that AWS cannot change, each with the next step for a person."""
    computed: ClassVar[tuple[str, ...]] = ()
    """Properties that AWS alone decides."""
    renewed: ClassVar[tuple[str, ...]] = ()
    """Properties that AWS decides anew with every change, such as the number of a version."""
    taggable: ClassVar[bool] = True

    def __init__(self, params: Mapping[str, Any], connect: Callable[[str], Any]) -> None:
        """Take the module's parameters and a function that returns a boto3 client for a service."""
        super().__init__(params, connect)
        self._caller: dict[str, str] | None = None

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in this account and region; STS says which account and partition that is."""
        if self._caller is None:
            self._caller = self.client("sts").get_caller_identity()
        partition, region = self._caller["Arn"].split(":")[1], self.client(service).meta.region_name
        return f"arn:{partition}:{service}:{region}:{self._caller['Account']}:{resource}"

    def desired(self) -> State:
        """Return the properties that were given, in normal form."""
        names = [*self.spec, "tags"] if self.taggable else list(self.spec)
        state: State = given({name: self.params.get(name) for name in names})
        if "tags" in state:
            state["tags"] = {str(key): str(value) for key, value in state["tags"].items()}
        return state

    def check(self, desired: State) -> None:
        """Refuse what AWS would refuse later, or what an emulator would let through.

        Raises RefusalError with a sentence that names the option and the next step.
        """

    @abstractmethod
    def find(self) -> State | None:
        """Return the resource as it is in normal form, or None."""

    @abstractmethod
    def create(self, desired: State) -> None:
        """Create the resource with these properties, and wait until it can be used."""

    @abstractmethod
    def update(self, current: State, changes: State) -> None:
        """Change these properties; `changes` holds only what differs."""

    @abstractmethod
    def delete(self, current: State) -> None:
        """Delete the resource, and wait until its name is free."""

    def plan(self) -> Plan:
        """Read the account and return what has to be done; writes nothing."""
        if self.params["state"] == "absent":
            return plan_absent(self.find())
        desired = self.desired()
        self.check(desired)
        plan = plan_present(self.find(), desired, self.options(), self.computed, self.renewed)
        if plan.action == "update":
            self._refuse_immutable(plan)
        return plan

    def apply(self, plan: Plan) -> State:
        """Carry a plan out and return the resource as it is afterwards."""
        if plan.action == "create":
            self.create(plan.wanted())
        elif plan.action == "update":
            self.update(plan.before, plan.wanted())
        elif plan.action == "delete":
            self.delete(plan.before)
            return {}
        return self.find() or {}

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Return the whole argument specification of the module."""
        common: dict[str, Any] = {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
        if cls.taggable:
            common["tags"] = {"type": "dict"}
        return {**cls.identity, **common, **cls.spec, **cls.controls}

    def _refuse_immutable(self, plan: Plan) -> None:
        for name, step in self.immutable.items():
            if name in plan.changes:
                before, after = plan.changes[name]
                raise RefusalError(f"{name} cannot be changed from {before!r} to {after!r} in place; {step}")


def _carry_out(fresh: Callable[[], Planned], resource: Planned, plan: Plan) -> State:
    """Apply a plan; when an answer is lost, or a creation meets its own result, plan anew and do what is left."""
    for pause in lost.PAUSES:
        try:
            return resource.apply(plan)
        except lost.LOST:
            time.sleep(pause)
            resource = fresh()
            plan = resource.plan()
        except ClientError as error:
            resource = fresh()
            if plan.action != "create" or not lost.met_itself(error) or (again := resource.plan()).action == "create":
                raise
            plan = again
    return resource.apply(plan)


def run(resource_class: type[Planned]) -> None:
    """Be the module: plan, and act unless in check mode; every outcome shows a diff."""
    module = Module(
        argument_spec=resource_class.options(),
        supports_check_mode=True,
        required_if=[("state", "present", list(resource_class.needed))],
    )
    resource = resource_class(module.params, module.client)
    try:
        plan = resource.plan()
        shown = veil(plan, resource_class.hidden)
        result = shown.after
        if plan.changed and not module.check_mode:
            state = _carry_out(lambda: resource_class(module.params, module.client), resource, plan)
            result = {key: value for key, value in state.items() if key not in resource_class.hidden}
    except (RefusalError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=sentence(f"{resource.kind} {resource.name}", error))
    diff = difference(resource.kind, resource.name, shown)
    report = {"report": lines} if (lines := resource.report(shown, result)) else {}
    module.exit_json(changed=plan.changed, diff=diff, action=plan.action, resource=result, **report)
