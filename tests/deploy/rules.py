"""All the rules in their order: a rule takes a rendered set and gives its complaints, none when it holds."""

from __future__ import annotations

from collections.abc import Callable

import rules_mesh as mesh
import rules_network as network
import rules_pods as pods
import rules_references as references
import rules_schema as schema
import rules_state as state
from rendered import Rendered

Rule = Callable[[Rendered], list[str]]

OF_ANY_SET: tuple[Rule, ...] = (
    schema.valid_for_kubernetes,
    schema.secrets_can_be_decoded,
    schema.in_any_namespace,
    references.nothing_is_left_to_fill_in,
)
"""Hold for every set of objects, ours or not."""

OF_OURS: tuple[Rule, ...] = (
    references.what_pods_name_is_there,
    references.mounts_have_volumes,
    references.services_lead_to_pods,
    references.selectors_agree,
    references.scalers_have_targets,
    references.what_selects_our_pods_does,
    references.addresses_lead_somewhere,
    references.images_are_named,
    pods.names_are_settings,
    pods.names_are_given_once,
    pods.values_are_understood,
    pods.secrets_are_kept,
    pods.restricted,
    pods.no_token_is_mounted,
    pods.probes_fit,
    pods.grace_is_enough,
    state.memory_is_enough,
    state.what_is_written_can_be,
    state.replicas_share_their_state,
    network.policies_admit_what_is_used,
    network.policies_admit_nothing_else,
    mesh.the_mesh_lets_callers_in,
    mesh.the_mesh_lets_us_out,
    mesh.the_sidecar_knows_our_neighbours,
)
"""Hold for every set that has our Deployment in it."""


def complaints(rendered: Rendered, without: tuple[Rule, ...] = ()) -> list[str]:
    """What every rule but those in *without* says of a set; those of ours where our Deployment is in it."""
    ours = OF_OURS if rendered.find("Deployment", rendered.service) else ()
    return [
        f"{rule.__name__}: {fault}"
        for rule in (*OF_ANY_SET, *ours)
        if rule not in without
        for fault in rule(rendered)
    ]
