"""Checks of what the taps change: an ablated head, a rewritten activation, a resumed run, and nothing left behind."""

from collections.abc import Sequence

import torch
from torch import Tensor

from interp.models.gate.evidence import (
    Check,
    Evidence,
    Worst,
    apart,
    document_of,
    name_of,
    queries,
    queries_of_output,
    rows_of,
)
from interp.models.unhooked import traces
from interp.types import Head, Provable, Resumable, Site, Tap

NOTHING = 1e-3
"""A head that writes less, as a share of what its layer writes, is not asked to matter."""

AT_ONCE = 2**22
"""Numbers of contributions that are compared together."""


def a_silenced_head_takes_its_share(evidence: Evidence) -> Check:
    """Where a head's z is zero, its own contribution is, no other, and the attention's output is without it.

    A copy of one document for each number of a head, in which that head is ablated in every layer; z is otherwise put
    back, so that one run tells of every head by itself.
    """
    name, what = "a_silenced_head_takes_its_share", "ablating a head changes more, or less, than its contribution"
    model, clean = evidence.model, evidence.alone[1].z
    copies = evidence.copies(1 + max(head.head for head in model.heads))

    def without_one(site: Site, layer: int, z: Tensor) -> Tensor:
        left = clean[site, layer].expand_as(z).clone()
        heads = torch.arange(left.shape[2], device=left.device)
        left[heads, :, heads] = 0
        return left

    outputs = model.attention_outputs(copies, z=without_one) if isinstance(model, Provable) else {}
    found = Worst()
    for place in evidence.places:
        (site, layer), there = place, queries(evidence.alone[0], place[0])[0]
        whole = model.contribution(layer, clean[place], site)[0, there]
        for some in torch.arange(whole.shape[1], device=whole.device).split(max(1, AT_ONCE // whole.numel())):
            rows = torch.arange(len(some), device=whole.device)
            silent, left = clean[place].repeat(len(some), 1, 1, 1), whole.repeat(len(some), 1, 1, 1)
            silent[rows, :, some] = left[rows, :, some] = 0
            found.by_head(place, model.contribution(layer, silent, site)[:, there], left, axis=2)
            if place in outputs:
                found.by_head(place, outputs[place][some][:, there], left.sum(2), axis=0, first=int(some[0]))
    return found.check(name, evidence.tolerance, what)


def a_silenced_head_matters(evidence: Evidence) -> Check:
    """Ablating a head that writes anything moves what the model gives."""
    model, tolerance = evidence.model, max(evidence.tolerance, NOTHING)
    (heads, seen), (_, clean) = evidence.ablated, evidence.alone
    # how far apart rounding puts a copy in which no head is ablated and the document among others
    length = seen.output.hidden.shape[1]
    noise = apart(clean.output.hidden[0], evidence.seen.output.hidden[evidence.probe, :length]).max()
    dead: list[str] = []
    for row, head in enumerate(heads):
        shares = model.contribution(head.layer, clean.z[head.site, head.layer], head.site)
        writes = shares[:, :, head.head].float().abs().max() > tolerance * shares.float().sum(2).square().mean().sqrt()
        moved = apart(seen.output.hidden[[row]], clean.output.hidden).max()
        if writes and not moved > min(10 * noise, evidence.tolerance):
            dead.append(f"{name_of((head.site, head.layer))}, head {head.head}")
    detail = f"heads whose ablation moves nothing: {'; '.join(dead[:3])}"
    return Check("a_silenced_head_matters", float(len(dead)), 0.0, detail)


def watching_changes_nothing(evidence: Evidence) -> Check:
    """Taps that look, and taps that give back what they were given, change nothing."""
    rows, batch, given_back = evidence.given_back
    found = Worst()
    found.outputs(evidence.seen.output, evidence.bare, queries_of_output(evidence.batch))
    found.outputs(given_back.output, rows_of(evidence.bare, rows), queries_of_output(batch))
    return found.check("watching_changes_nothing", evidence.tolerance, "a tap that only looks changes the output")


def resumed_is_run(evidence: Evidence) -> Check | None:
    """What the fast engine runs from a layer on, one head ablated there, is what a whole run gives, if it can.

    Beside a longer document, so that there is padding; of the ablated heads of each site one of a middle layer and one
    of the last.
    """
    name, what = "resumed_is_run", "the rest of the network from a layer on is not that of a whole run"
    model, lengths, (heads, ablated) = evidence.model, evidence.lengths, evidence.ablated
    if not (isinstance(model, Resumable) and model.resumable):
        return None
    longer = [row for row, length in enumerate(lengths) if length > lengths[evidence.probe]]
    rows = [evidence.probe, *sorted(longer, key=lambda row: lengths[row])[:1]]
    batch = evidence.batch.rows(rows).shortened(model.pad_token)
    among, alone = (queries_of_output(one)[0].nonzero()[:, 0] for one in (batch, evidence.alone[0]))
    clean, found = model.remember(batch, logits=False), Worst()
    for head in _middle_and_last(heads):
        place = head.site, head.layer
        change = model.contribution(head.layer, clean.z[place], head.site)[:, :, head.head]
        resumed = model.resume(clean, place, (clean.attention_output[place] - change)[None])
        expected = document_of(ablated.output, heads.index(head), alone)
        found.documents(document_of(resumed, 0, among), expected)
    return found.check(name, evidence.tolerance, what)


def _middle_and_last(heads: Sequence[Head]) -> list[Head]:
    """Of the heads of each site, one of a middle layer and one of the last that is among them."""
    chosen: dict[Head, None] = {}
    for site in dict.fromkeys(head.site for head in heads):
        by_layer = sorted((head for head in heads if head.site == site), key=lambda head: head.layer)
        chosen |= dict.fromkeys((by_layer[len(by_layer) // 2], by_layer[-1]))
    return list(chosen)


class _OnPurpose(Exception):  # noqa: N818 - it is no error
    """Raised in a tap to see what stays behind."""


def nothing_stays_hooked(evidence: Evidence) -> Check:
    """After runs that ended well, and after exceptions in either tap, nothing is left, and the output is the same."""
    name, model, batch = "nothing_stays_hooked", evidence.model, evidence.batch
    modules = list(model.modules()) if isinstance(model, Provable) else []
    short, alone = evidence.alone
    before = traces(modules)
    site, layer = evidence.places[min(1, len(evidence.places) - 1)]
    left: list[str] = []

    def fail(at_site: Site, at: int, activation: Tensor) -> Tensor | None:
        if (at_site, at) == (site, layer):
            raise _OnPurpose
        return torch.zeros_like(activation)

    for tap in ({"pattern": _only_raising(fail)}, {"z": fail}):
        try:
            model.run(batch, **tap, logits=False)
            left.append("an exception in a tap did not come through")
        except _OnPurpose:
            pass
    try:
        again = model.run(short, logits=False)
    except _OnPurpose:
        return Check(name, 1.0, 0.0, "a tap is called in a run without taps")
    there = queries_of_output(short)
    length = there.shape[1]
    # by itself or among others, watched or not: whether that is the same is what other checks ask
    known = (alone.output.hidden, evidence.bare.hidden[[evidence.probe], :length])
    if not any(bool((apart(again.hidden[there], one[there]) <= evidence.tolerance).all()) for one in known):
        left.append("after an exception in a tap the model gives something else")
    left += [f"{trace} on a module" for _, trace, _ in traces(modules) - before]
    return Check(name, float(len(left)), 0.0, f"what stays behind: {'; '.join(sorted(set(left))[:3])}")


def _only_raising(tap: Tap) -> Tap:
    """A tap that does as this one where it raises, and else only looks."""

    def look_only(site: Site, layer: int, activation: Tensor) -> None:
        tap(site, layer, activation)

    return look_only
