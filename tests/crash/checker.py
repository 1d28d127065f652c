"""Judges a round by what clients were told, what the model was asked, and what the stores hold in the end."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TERMINAL = {"completed", "failed"}


@dataclass(frozen=True)
class Told:
    """One answer to a client, or that there was none (`error`)."""

    what: str
    """order or read."""
    user: str
    job: str
    key: str = ""
    generation_id: str = ""
    status: str = ""
    reason: str = ""
    revision: int = 0
    progress: int = 0
    url: str = ""
    completed: str = ""
    """When it ended, as it was told."""
    error: str = ""
    may_see: bool = True
    """False for a reader whom the generation does not belong to."""


@dataclass
class Evidence:
    """All that is known of a round."""

    told: list[Told] = field(default_factory=list)
    billed: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """kind -> id -> body."""
    objects: dict[str, bytes] = field(default_factory=dict)
    calm: bool = False
    """True when nothing was killed or stopped."""
    keeps: bool = True
    """False for a round in which pictures and records expire."""

    @property
    def generations(self) -> dict[str, dict[str, Any]]:
        return self.documents.get("generation", {})


def violations(seen: Evidence) -> list[str]:
    """Every broken promise, by its number."""
    checks = (accepted_ends, forward, paid_once, bytes_exist, named, late_writes, private, keys, calm)
    return [f"{check.__name__}: {fault}" for check in checks for fault in check(seen)]


def accepted_ends(seen: Evidence) -> Iterator[str]:
    """V1: every acknowledged job reaches exactly one terminal state."""
    if not seen.keeps:
        return
    if not seen.documents:
        yield from (f"{name} never ended" for name in acknowledged(seen) - ended(seen))
        return
    for told in seen.told:
        if told.what == "order" and told.generation_id and told.generation_id not in seen.generations:
            yield f"{told.generation_id} of {told.job} was acknowledged and is lost"
    for generation_id, body in seen.generations.items():
        if body["status"] not in TERMINAL:
            yield f"{generation_id} stands at {body['stage']}"
        ends = [line for line in body["history"] if line["status"] in TERMINAL]
        if len(ends) != (body["status"] in TERMINAL):
            yield f"{generation_id} ended {len(ends)} times"


def acknowledged(seen: Evidence) -> set[str]:
    return {told.generation_id for told in seen.told if told.what == "order" and told.generation_id}


def ended(seen: Evidence) -> set[str]:
    return {told.generation_id for told in seen.told if told.what == "read" and told.status in TERMINAL}


def forward(seen: Evidence) -> Iterator[str]:
    """V2: states only move forward, as they are told and as they are kept."""
    for generation_id, body in seen.generations.items():
        steps = [(line["number"], line["progress"]) for line in body["history"]]
        if [number for number, _ in steps] != sorted({number for number, _ in steps}):
            yield f"{generation_id}: revisions {steps}"
        if [progress for _, progress in steps] != sorted(progress for _, progress in steps):
            yield f"{generation_id}: progress {steps}"
    for generation_id, reads in by_generation(seen).items():
        steps = [(read.revision, read.progress) for read in reads]
        if steps != sorted(steps) or [p for _, p in steps] != sorted(p for _, p in steps):
            yield f"{generation_id}: readers were told {steps}"


def by_generation(seen: Evidence) -> dict[str, list[Told]]:
    reads = defaultdict(list)
    for told in seen.told:
        if told.what == "read" and told.status not in {"", "not_found"}:
            reads[told.generation_id].append(told)
    return reads


def paid_once(seen: Evidence) -> Iterator[str]:
    """V3: no call without its intent; at most one paid call for one generation."""
    if not seen.documents or not seen.keeps:
        return
    asked: dict[str, list[bool]] = defaultdict(list)
    for line in seen.billed:
        asked[line["job"]].append(line["billed"])
    intents: dict[str, list[str]] = defaultdict(list)
    orders: dict[str, int] = defaultdict(int)
    for body in seen.generations.values():
        job = body["brief"]["style"]
        orders[job] += 1
        intents[job] += [call["outcome"] for call in body["ledger"]]
        if sum(call["outcome"] != "declined" for call in body["ledger"]) > 1:
            yield f"{job} was paid for more than once: {body['ledger']}"
        if body["status"] in TERMINAL and any(call["outcome"] == "open" for call in body["ledger"]):
            yield f"{job} ended with a call whose outcome nobody wrote down"
    for job, lines in asked.items():
        if len(lines) > len(intents[job]):
            yield f"{job}: {len(lines)} calls, {len(intents[job])} intents"
        if sum(lines) > orders[job]:
            yield f"{job}: {sum(lines)} charges for {orders[job]} orders"


def bytes_exist(seen: Evidence) -> Iterator[str]:
    """V4: what is completed can be read, whole and as it was."""
    if not seen.documents:
        return
    for generation_id, body in seen.generations.items():
        if body["status"] != "completed" or not seen.keeps:
            continue
        data = seen.objects.get(body["asset"]["key"])
        if data is None:
            yield f"{generation_id} is completed, and its picture is not there"
        elif hashlib.sha256(data).hexdigest() != body["asset"]["sha256"]:
            yield f"{generation_id}: its picture is another"
    for key, data in seen.objects.items():
        if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
            yield f"{key} is not whole"


def named(seen: Evidence) -> Iterator[str]:
    """V5: no bytes without a record of them."""
    known = {body["key"] for body in seen.documents.get("asset", {}).values()}
    if seen.documents:
        yield from (f"nobody knows of {key}" for key in seen.objects if key not in known)


def late_writes(seen: Evidence) -> Iterator[str]:
    """V7: what has ended stays as it is, whatever a stale worker still writes."""
    for generation_id, reads in by_generation(seen).items():
        ends = [read for read in reads if read.status in TERMINAL]
        if (
            len(
                {
                    (end.status, end.reason, end.revision, end.url.rpartition("/")[2], end.completed)
                    for end in ends
                }
            )
            > 1
        ):
            yield f"{generation_id} changed after its end: {ends}"
        after = reads[reads.index(ends[0]) :] if ends else []
        if any(read.status not in TERMINAL for read in after):
            yield f"{generation_id} went on after its end"
        body = seen.generations.get(generation_id)
        if ends and body and (body["status"], body["revision"]) != (ends[-1].status, ends[-1].revision):
            yield f"{generation_id} is kept otherwise than it was told"


def private(seen: Evidence) -> Iterator[str]:
    """V8: nobody reads another's."""
    for told in seen.told:
        if not told.may_see and told.status not in {"", "not_found"}:
            yield f"{told.user} was shown {told.generation_id}"


def keys(seen: Evidence) -> Iterator[str]:
    """The same key is the same generation; a refused request does not use it up."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for told in seen.told:
        if told.what != "order" or not told.key:
            continue
        if told.generation_id:
            ids[told.user, told.key].add(told.generation_id)
        elif told.reason == "IDEMPOTENCY_KEY_REUSED" and (told.user, told.key) not in ids:
            yield f"{told.key} was used up by a refused request"
    yield from (f"{key} stands for {len(found)} generations" for key, found in ids.items() if len(found) > 1)
    if not seen.keeps or not seen.documents:
        return
    orders: dict[tuple[str, str], int] = defaultdict(int)
    for body in seen.generations.values():
        orders[body["owner"], body["brief"]["style"]] += 1
    yield from (f"{job} was ordered once, and is there {n} times" for (_, job), n in orders.items() if n > 1)


def calm(seen: Evidence) -> Iterator[str]:
    """While nobody dies, nobody's work is taken away or done twice."""
    if not seen.calm:
        return
    for generation_id, body in seen.generations.items():
        if body["attempts"] > 1 or any(call["outcome"] != "answered" for call in body["ledger"]):
            yield f"{generation_id} was taken from a living process: {body['attempts']} attempts"
        if body["status"] != "completed" or "gemini" not in body["engine"]:
            yield f"{generation_id} was not drawn as ordered: {body['status']} by {body['engine']}"
