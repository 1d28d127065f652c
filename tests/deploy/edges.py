"""Who really talks to whom, worked out from the rendered settings: what policies must admit, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field

from rendered import Rendered

DNS, METADATA, NODE_DNS = "10.96.0.10", "169.254.169.254", "169.254.20.10"
SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
MONITORING = {"kubernetes.io/metadata.name": "gmp-system"}
MESH = {"kubernetes.io/metadata.name": "istio-system"}
ELSEWHERE = {"kubernetes.io/metadata.name": "somewhere-else"}
GOOGLE, ANYBODY, INSIDE = "142.250.74.106", "203.0.113.7", "10.1.2.3"


@dataclass(frozen=True)
class End:
    """A pod in our namespace, a pod in another (`namespace`: its labels), or an address."""

    name: str
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    namespace: dict[str, str] | None = field(default=None, hash=False)
    address: str = ""


@dataclass(frozen=True)
class Edge:
    """One end opens a connection to a port (of the pod, not of its Service) of another."""

    source: End
    target: End
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source.name} to {self.target.name}:{self.port}/{self.protocol}"


ISTIOD = End("istiod", {"app": "istiod"}, MESH)


def us(rendered: Rendered) -> End:
    return End("us", rendered.ours.labels)


def shop(rendered: Rendered, name: str) -> End:
    """The pods of a shop's service: as they are rendered, else as the shop labels them."""
    found = [pod.labels for pod in rendered.pods if pod.labels.get("app") == name]
    return End(name, found[0] if found else {"app": name})


def behind(rendered: Rendered, name: str, port: int, otherwise: int) -> int:
    """The pods' port behind a Service's."""
    service = rendered.find("Service", name)
    for each in service["spec"]["ports"] if service else []:
        if each["port"] == port:
            target = each.get("targetPort", port)
            return int(target) if isinstance(target, int) else otherwise
    return otherwise


def asks_google(rendered: Rendered) -> bool:
    """True when any adapter or secret is Google's."""
    settings = rendered.settings
    urls = (settings.object_storage_url, settings.state_store_url, *settings.image_model_urls)
    schemes = {url.partition("://")[0] for url in urls}
    return bool(schemes & {"gs", "firestore", "gemini"}) or settings.gemini_api_key_secret.startswith(
        "projects/"
    )


def is_somebody(rendered: Rendered) -> bool:
    """True when Google has to know who we are, and a key is not enough."""
    settings = rendered.settings
    urls = (settings.object_storage_url, settings.state_store_url, settings.gemini_api_key_secret)
    vertex = any("vertex=true" in url for url in settings.image_model_urls)
    return vertex or any(url.startswith(("gs://", "firestore://", "projects/")) for url in urls)


def needed(rendered: Rendered) -> list[Edge]:
    """Every connection without which something that is switched on does not work."""
    settings, here, frontend = rendered.settings, us(rendered), shop(rendered, "frontend")
    edges = [
        Edge(frontend, here, settings.port),
        Edge(frontend, here, settings.http_port),
        Edge(here, shop(rendered, "cartservice"), behind(rendered, "cartservice", 7070, 7070)),
        Edge(
            here,
            shop(rendered, "productcatalogservice"),
            behind(rendered, "productcatalogservice", 3550, 3550),
        ),
        Edge(here, frontend, behind(rendered, "frontend", 80, 8080)),
    ]
    dns = End("DNS", {"k8s-app": "kube-dns"}, SYSTEM)
    edges += [
        Edge(here, place, 53, protocol)
        for place in (dns, End("the node's DNS", address=NODE_DNS))
        for protocol in ("UDP", "TCP")
    ]
    if asks_google(rendered):
        edges.append(Edge(here, End("Google", address=GOOGLE), 443))
    if is_somebody(rendered):
        edges.append(Edge(here, End("metadata", address=METADATA), 80))
    if settings.enable_tracing:
        edges.append(Edge(here, shop(rendered, "opentelemetrycollector"), 4317))
    if rendered.of("PodMonitoring"):
        edges.append(Edge(End("the monitoring", {"app": "collector"}, MONITORING), here, settings.http_port))
    return edges


def unwanted(rendered: Rendered) -> list[Edge]:
    """Connections that nothing of ours needs, one of each sort."""
    settings, here, frontend = rendered.settings, us(rendered), shop(rendered, "frontend")
    stranger = End("a stranger", {"app": "stranger"})
    namesake = End("a namesake of the frontend elsewhere", frontend.labels, ELSEWHERE)
    doors = (settings.port, settings.http_port)
    edges = [
        Edge(who, here, port)
        for who in (stranger, namesake, shop(rendered, "checkoutservice"))
        for port in doors
    ]
    edges += [
        Edge(End("the internet", address=ANYBODY), here, settings.http_port),
        Edge(frontend, here, 22),
        Edge(here, stranger, 443),
        Edge(here, shop(rendered, "redis-cart"), 6379),
        Edge(here, shop(rendered, "cartservice"), 22),
        Edge(here, frontend, 22),
        Edge(here, End("a private address", address=INSIDE), 443),
        Edge(here, End("the internet", address=ANYBODY), 80),
        Edge(here, End("a stranger's DNS", address=ANYBODY), 53, "UDP"),
        Edge(here, End("a namesake of the cart elsewhere", {"app": "cartservice"}, ELSEWHERE), 7070),
    ]
    if not asks_google(rendered):
        edges.append(Edge(here, End("Google", address=GOOGLE), 443))
    if not is_somebody(rendered):
        edges.append(Edge(here, End("metadata", address=METADATA), 80))
    if not (rendered.of("Sidecar") or rendered.of("AuthorizationPolicy")):
        edges.append(Edge(here, ISTIOD, 15012))
    if not settings.enable_tracing:
        edges.append(Edge(here, shop(rendered, "opentelemetrycollector"), 4317))
    return edges
