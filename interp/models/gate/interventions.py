"""Checks of what the taps change: an ablated head, a rewritten activation, a resumed run, and nothing left behind."""

import torch
from torch import Tensor

from interp.errors import ModelError
from interp.models.gate.evidence import (
    Check,
    Evidence,
    Worst,
    apart,
    name_of,
    queries,
    queries_of_output,
    without_head,
)
from interp.models.unhooked import traces
from interp.types import Head, Provable, Resumable, Site, Tap


def a_silenced_head_takes_its_share(evidence: Evidence) -> Check:
    """Where a head's z is zero, its own contribution is, no other, and the attention's output is without it."""
    name, what = "a_silenced_head_takes_its_share", "ablating a head changes more, or less, than its contribution"
    model, heads = evidence.model, evidence.sampled
    copies, intact = evidence.whole_copies
    clean = intact.z
    outputs = model.attention_outputs(copies, z=without_head(heads)) if isinstance(model, Provable) else {}
    found = Worst()
    for place in evidence.places:
        site, layer = place
        rows = [row for row, head in enumerate(heads) if (head.site, head.layer) == place]
        if not rows:
            continue
        there = queries(copies, site)[rows]
        number = torch.tensor([heads[row].head for row in rows], device=there.device)
        without = clean[place][rows].clone()
        without[torch.arange(len(rows)), :, number] = 0
        shares = model.contribution(layer, without, site)
        expected = model.contribution(layer, clean[place][rows], site).clone()
        expected[torch.arange(len(rows)), :, number] = 0
        found.by_head(place, shares[there], expected[there], axis=1)
        if place in outputs:
            found.add(name_of(place), apart(outputs[place][rows][there], expected.sum(2)[there]))
    return found.check(name, evidence.tolerance, what)


def a_silenced_head_matters(evidence: Evidence) -> Check:
    """Ablating a head that writes anything moves what the model gives; a copy in which none is stays as it is."""
    model, heads = evidence.model, evidence.sampled
    copies, clean = evidence.whole_copies
    ablated = model.run(copies, z=without_head(heads), logits=False).hidden
    moved = apart(ablated, clean.output.hidden).flatten(1).amax(1)
    dead: list[str] = []
    for row, head in enumerate(heads):
        shares = model.contribution(head.layer, clean.z[head.site, head.layer][row : row + 1], head.site)
        size = evidence.tolerance * shares.float().sum(2).square().mean().sqrt()
        writes = bool(shares[:, :, head.head].float().abs().max() > size)
        if writes and not moved[row] > 10 * moved[-1]:
            dead.append(f"{name_of((head.site, head.layer))}, head {head.head}")
    detail = f"heads whose ablation moves nothing: {'; '.join(dead[:3])}"
    return Check("a_silenced_head_matters", float(len(dead)), 0.0, detail)


def watching_changes_nothing(evidence: Evidence) -> Check:
    """Taps that look, and taps that give back what they were given, change nothing."""
    model, there = evidence.model, queries_of_output(evidence.batch)

    def give_back(_site: Site, _layer: int, activation: Tensor) -> Tensor:
        return activation.clone()

    found = Worst()
    found.outputs(evidence.seen.output, evidence.bare, there)
    try:
        given_back = model.run(evidence.batch, pattern=give_back, z=give_back)
    except ModelError:
        # patterns_make_z says that, and why, this model's patterns cannot be rewritten
        given_back = model.run(evidence.batch, z=give_back)
    found.outputs(given_back, evidence.bare, there)
    return found.check("watching_changes_nothing", evidence.tolerance, "a tap that only looks changes the output")


def resumed_is_run(evidence: Evidence) -> Check | None:
    """What the fast engine runs from a layer on, one head ablated there, is what a whole run gives, if it can."""
    name, what = "resumed_is_run", "the rest of the network from a layer on is not that of a whole run"
    model, batch = evidence.model, evidence.batch
    if not (isinstance(model, Resumable) and model.resumable):
        return None
    clean, found = model.remember(batch), Worst()
    site, last = evidence.places[-1]
    for layer in sorted({0, (last + 1) // 2}):
        silent = Head(site, layer, 0)
        place = (site, layer)
        change = model.contribution(layer, clean.z[place], site)[:, :, silent.head]
        resumed = model.resume(clean, place, (clean.attention_output[place] - change)[None])
        expected = model.run(batch, z=without_head([silent] * len(batch.tokens)))
        found.outputs(resumed, expected, queries_of_output(batch))
    return found.check(name, evidence.tolerance, what)


class _OnPurpose(Exception):  # noqa: N818 - it is no error
    """Raised in a tap to see what stays behind."""


def nothing_stays_hooked(evidence: Evidence) -> Check:
    """After runs that ended well, and after exceptions in either tap, nothing is left, and the output is the same."""
    model, batch = evidence.model, evidence.batch
    modules = list(model.modules()) if isinstance(model, Provable) else []
    bare, before = evidence.bare, traces(modules)
    site, layer = evidence.places[len(evidence.places) // 2]
    left: list[str] = []

    def fail(at_site: Site, at: int, activation: Tensor) -> Tensor | None:
        if (at_site, at) == (site, layer):
            raise _OnPurpose
        return torch.zeros_like(activation)

    def no_look(_site: Site, _layer: int, _activation: Tensor) -> None:
        return None

    for taps in ({"pattern": no_look, "z": fail}, {"pattern": _only_raising(fail), "z": no_look}):
        try:
            model.run(batch, **taps, logits=False)
            left.append("an exception in a tap did not come through")
        except _OnPurpose:
            pass
        try:
            again = model.run(batch)
        except _OnPurpose:
            return Check("nothing_stays_hooked", 1.0, 0.0, "a tap is called in a run without taps")
        found = Worst()
        found.outputs(again, bare, queries_of_output(batch))
        if not found.check("", evidence.tolerance, "").passed:
            left.append("after an exception in a tap the model gives something else")
    left += [f"{name} on a module" for _, name, _ in traces(modules) - before]
    return Check(
        "nothing_stays_hooked", float(len(left)), 0.0, f"what stays behind: {'; '.join(sorted(set(left))[:3])}"
    )


def _only_raising(tap: Tap) -> Tap:
    """A tap that does as this one where it raises, and else only looks."""

    def look_only(site: Site, layer: int, activation: Tensor) -> None:
        tap(site, layer, activation)

    return look_only
