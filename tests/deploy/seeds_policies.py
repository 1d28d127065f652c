"""Defects of NetworkPolicies and of a mesh."""

from __future__ import annotations

import rules_mesh as mesh
import rules_network as network
from seeds import Seed, text_of

OF_THE_POLICIES = (
    Seed(
        "a cart that is not asked",
        *(network.policies_admit_what_is_used, "us to cartservice"),
        lambda it: it["NetworkPolicy"]["spec"]["egress"].pop(0),
    ),
    Seed(
        "no DNS",
        *(network.policies_admit_what_is_used, "DNS:53/UDP"),
        lambda it: it["NetworkPolicy"]["spec"]["egress"].pop(),
    ),
    Seed(
        "the Service's port instead of the pod's",
        *(network.policies_admit_what_is_used, "us to frontend:8080"),
        lambda it: it["NetworkPolicy"]["spec"]["egress"][2]["ports"][0].update(port=80),
    ),
    Seed(
        "pictures that the frontend cannot fetch",
        *(network.policies_admit_what_is_used, "frontend to us:8081"),
        lambda it: it["NetworkPolicy"]["spec"]["ingress"][0]["ports"].pop(),
    ),
    Seed(
        "no metadata server",
        *(network.policies_admit_what_is_used, "us to metadata"),
        lambda it: it["NetworkPolicy/imagegenerationservice-google-identity"]["spec"]["egress"].pop(0),
    ),
    Seed(
        "a shop that admits only its own",
        *(network.policies_admit_what_is_used, "refused as ingress of cartservice"),
        lambda it: it.add(
            text_of(
                "NetworkPolicy",
                "networking.k8s.io/v1",
                "{podSelector: {matchLabels: {app: cartservice}}, "
                "ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}]}]}",
                "cartservice",
            )
        ),
    ),
    Seed(
        "everything may go out",
        *(network.policies_admit_nothing_else, "us to redis-cart"),
        lambda it: it["NetworkPolicy"]["spec"].update(egress=[{}]),
    ),
    Seed(
        "everybody may come in",
        *(network.policies_admit_nothing_else, "a stranger to us:8080"),
        lambda it: it["NetworkPolicy"]["spec"]["ingress"][0].pop("from"),
    ),
    Seed(
        "the frontends of all namespaces",
        *(network.policies_admit_nothing_else, "a namesake of the frontend"),
        lambda it: it["NetworkPolicy"]["spec"]["ingress"][0]["from"][0].update(namespaceSelector={}),
    ),
    Seed(
        "private addresses",
        *(network.policies_admit_nothing_else, "private address"),
        lambda it: it["NetworkPolicy/imagegenerationservice-google-apis"]["spec"]["egress"][0]["to"][0][
            "ipBlock"
        ].pop("except"),
    ),
    Seed(
        "DNS of anybody",
        *(network.policies_admit_nothing_else, "stranger's DNS"),
        lambda it: it["NetworkPolicy"]["spec"]["egress"][-1].pop("to"),
    ),
)

OF_THE_MESH = (
    Seed(
        "a frontend that may not watch",
        *(mesh.the_mesh_lets_callers_in, "WatchImageGeneration"),
        lambda it: it["AuthorizationPolicy"]["spec"]["rules"][0]["to"][0]["operation"].update(
            paths=["/hipstershop.ImageGenerationService/Get*"]
        ),
    ),
    Seed(
        "another account than the frontend's",
        *(mesh.the_mesh_lets_callers_in, "the frontend may not"),
        lambda it: it["AuthorizationPolicy"]["spec"]["rules"][0]["from"][0]["source"].update(
            principals=["cluster.local/ns/ours/sa/default"]
        ),
    ),
    Seed(
        "a mesh that lets everybody in",
        *(mesh.the_mesh_lets_callers_in, "a stranger may"),
        lambda it: it["AuthorizationPolicy"]["spec"]["rules"].append({}),
    ),
    Seed(
        "a catalog that does not know us",
        *(mesh.the_mesh_lets_us_out, "ListProducts"),
        lambda it: it.add(
            text_of(
                "AuthorizationPolicy",
                "security.istio.io/v1",
                "{selector: {matchLabels: {app: productcatalogservice}}, rules: [{from: [{source: "
                "{principals: [cluster.local/ns/ours/sa/frontend]}}]}]}",
                "productcatalogservice",
            )
        ),
    ),
    Seed(
        "a sidecar that does not know the cart",
        *(mesh.the_sidecar_knows_our_neighbours, "cartservice"),
        lambda it: it["Sidecar"]["spec"]["egress"][0].update(
            hosts=["./frontend.ours.svc.cluster.local", "istio-system/*"]
        ),
    ),
    Seed(
        "a closed sidecar without Google",
        *(mesh.the_sidecar_knows_our_neighbours, "storage.googleapis.com"),
        lambda it: it.drop("ServiceEntry/imagegenerationservice-google-apis"),
    ),
)
