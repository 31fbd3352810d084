"""Variables that nothing reads are found by name; everybody's own are left alone."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
import yaml

from tests.unit.roles.roles_tree import INVENTORIES, ROLES, ROOT, inputs


def _plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("misspelt_inputs", ROOT / "plugins/lookup/misspelt_inputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLUGIN = _plugin()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("network_natt", "network_nat"),
        ("netwrok_nat", "network_nat"),
        ("storage_delete_object", "storage_delete_objects"),
        ("stroage_delete_objects", "storage_delete_objects"),
        ("compute_gpu_max_instance", "compute_gpu_max_instances"),
        ("naming_acount_id", "naming_account_id"),
        ("teardown_confrim", "teardown_confirm"),
        ("teardown_drain_minute", "teardown_drain_minutes"),
        ("rolback_to", "rollback_to"),
        ("presign_key_fil", "presign_key_file"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert list(PLUGIN.sentences([name])) == [f"The variable {name} is set and nothing reads it; did you mean {meant}?"]


def test_a_variable_of_a_role_that_is_like_no_other_is_named_too() -> None:
    assert list(PLUGIN.sentences(["registry_zzzzzzzzzzzzzzz"])) == [
        "The variable registry_zzzzzzzzzzzzzzz is set and nothing reads it; docs/variables.md has all that are."
    ]


@pytest.mark.parametrize(
    "name",
    ["vault_supabase_url", "vault_supabase_service_key", "embedded_cloud", "owner", "ansible_connection", "naming_vpc",
     "inventory_dir", "playbook_dir", "role_path", "groups", "__compute_gpu_user_data"],
)  # fmt: skip
def test_what_is_no_input_of_ours_is_left_alone(name: str) -> None:
    assert list(PLUGIN.sentences([name])) == []


def test_every_input_is_known() -> None:
    assert list(PLUGIN.sentences(sorted(set().union(*(inputs(role) for role in ROLES))))) == []


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_the_inventories_are_well_spelt(inventory: str) -> None:
    path = ROOT / "inventories" / inventory / "group_vars/all/main.yml"
    assert list(PLUGIN.sentences(list(yaml.safe_load(path.read_text(encoding="utf-8"))))) == []
