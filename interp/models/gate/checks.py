"""Checks of what the taps see: every layer, patterns that are shares, and z that adds up to the network's output."""

import math
from collections import Counter
from itertools import product

import torch
from torch import Tensor

from interp.errors import ModelError
from interp.models.gate.evidence import (
    INVISIBLE,
    Check,
    Evidence,
    Seen,
    Worst,
    apart,
    keys,
    look,
    name_of,
    queries,
    queries_of_output,
    sinks,
    visible,
)
from interp.types import NOWHERE, Batch, ChunkedPatterns, Head, Place, Site

NO_NETWORK = "the model shows no network without its taps (interp.types.Provable)"


def every_layer_is_seen(evidence: Evidence) -> Check:
    """Both taps are called once for every layer that has heads, and see as many heads there."""
    heads: Counter[Place] = Counter((head.site, head.layer) for head in evidence.model.heads)
    wrong: list[str] = []
    for kind, kept, axis in (("pattern", evidence.seen.pattern, 1), ("z", evidence.seen.z, 2)):
        for place, count in heads.items():
            calls, shape = evidence.seen.calls[kind, *place], kept[place].shape if place in kept else ()
            if calls != 1:
                wrong.append(f"{kind} of {name_of(place)} {calls} times")
            elif shape[axis] != count:
                wrong.append(f"{kind} of {name_of(place)} with {shape[axis]} heads of {count}")
        wrong += [f"{kind} of {name_of(place)}, which is said to have no heads" for place in kept if place not in heads]
    return Check("every_layer_is_seen", float(len(wrong)), 0.0, f"the taps saw {'; '.join(wrong[:3])}")


def rows_sum_to_one(evidence: Evidence) -> Check:
    """Attention weights are shares: none is negative, and those of a query add up to one.

    Where some attention goes to keys that are no token, they add up to one at most.
    """
    found = Worst()
    for place, pattern in evidence.seen.pattern.items():
        seeing = visible(evidence.model, evidence.batch, place).any(-1)
        rows = pattern.float().transpose(1, 2)[seeing]
        excess = rows.sum(-1) - 1
        found.add(name_of(place), excess if place in sinks(evidence) else excess.abs(), -rows)
    return found.check("rows_sum_to_one", evidence.tolerance, "attention weights do not add up to one")


def nothing_invisible_is_seen(evidence: Evidence) -> Check:
    """No attention goes to padding, nor to what the model is built not to see."""
    found = Worst()
    for place, pattern in evidence.seen.pattern.items():
        seen = visible(evidence.model, evidence.batch, place)
        hidden_from = ~seen & seen.any(-1, keepdim=True)
        found.add(name_of(place), pattern.permute(0, 2, 3, 1)[hidden_from].abs())
    return found.check("nothing_invisible_is_seen", INVISIBLE, "attention goes where nothing can be seen")


def heads_add_up(evidence: Evidence) -> Check:
    """Σ heads + bias = attention output, of the network by itself."""
    name, what = "heads_add_up", "the heads' contributions and the bias are not the output of the attention"
    if evidence.unhooked is None or not evidence.unhooked.attention_output:
        return Check(name, None, 0.0, NO_NETWORK)
    found = Worst()
    for place, output in evidence.unhooked.attention_output.items():
        site, layer = place
        total = evidence.model.contribution(layer, evidence.seen.z[place], site).sum(2)
        there = queries(evidence.batch, site)
        found.add(name_of(place), apart(total[there], output[there]))
    return found.check(name, evidence.tolerance, what)


def same_as_unhooked(evidence: Evidence) -> Check:
    """Hidden states, and logits where there are any, are those of the network by itself."""
    name, what = "same_as_unhooked", "the network by itself gives something else"
    if evidence.unhooked is None:
        return Check(name, None, 0.0, NO_NETWORK)
    found = Worst()
    found.outputs(evidence.bare, evidence.unhooked.output, queries_of_output(evidence.batch))
    return found.check(name, evidence.tolerance, what)


def head_map(evidence: Evidence) -> Check:
    """What each head is seen to write is what the network by itself hands to its output projection, at its place.

    So the head's query met the key and the value that are its own, whichever heads share them.
    """
    name, what = "head_map", "a head is seen to write what the network by itself does not write there"
    if evidence.unhooked is None or not evidence.unhooked.z:
        return Check(name, None, 0.0, NO_NETWORK)
    found = Worst()
    for place, expected in evidence.unhooked.z.items():
        there = queries(evidence.batch, place[0])
        found.by_head(place, evidence.seen.z[place][there], expected[there], axis=1)
    return found.check(name, evidence.tolerance, what)


def patterns_make_z(evidence: Evidence) -> Check:
    """Each head's pattern, applied to its values, is its z, and a rewritten pattern goes through the same values.

    The values come from a run of copies of one document, in each of which every head attends to one key alone; z is put
    back, so that every layer is given what it was given before.
    """
    name, what = "patterns_make_z", "a head's pattern and its values do not make what it writes"
    batch, clean = evidence.alone
    copies = evidence.copies(max(keys(batch, site).shape[1] for site, _ in evidence.places) + 1)

    def at_one_key(_site: Site, _layer: int, pattern: Tensor) -> Tensor:
        keys = torch.arange(pattern.shape[-1], device=pattern.device)
        alone = torch.zeros_like(pattern)
        alone[keys, :, :, keys] = 1
        return alone

    def put_back(site: Site, layer: int, z: Tensor) -> Tensor:
        return clean.z[site, layer].expand_as(z).contiguous()

    try:
        looking = look(evidence.model, copies, pattern=at_one_key, z=put_back)
    except ModelError as error:
        return Check(name, None, 0.0, str(error))
    found = Worst()
    for place, pattern in clean.pattern.items():
        values = looking.z[place][: pattern.shape[-1]].float()
        made = torch.einsum("hqk,kqhd->qhd", pattern[0].float(), values)
        if place in sinks(evidence):
            rest = 1 - pattern[0].float().sum(-1)
            made = made + rest.T[:, :, None] * looking.z[place][-1].float()
        found.by_head(place, made, clean.z[place][0], axis=1)
    return found.check(name, evidence.tolerance, what)


def parts_are_the_whole(evidence: Evidence) -> Check | None:
    """A model that shows its patterns part by part shows each row once, and the same; others are not asked."""
    name, what = "parts_are_the_whole", "patterns shown a few heads at a time are not those of a run"
    if not isinstance(evidence.model, ChunkedPatterns):
        return None
    found = Worst()
    together, alone = (evidence.batch, evidence.seen), evidence.alone
    # a causal layer leaves out the keys after a part where there is no padding
    for (batch, seen), cuts in ((together, False), (alone, True)):
        _compare_parts(found, evidence.model, batch, seen, cuts=cuts)
    return found.check(name, evidence.tolerance, what)


def _compare_parts(found: Worst, model: ChunkedPatterns, batch: Batch, seen: Seen, *, cuts: bool) -> None:
    """Show a batch, each site's queries in two halves if `cuts`, beside what was seen of it in a run."""
    times: Counter[tuple[Head, int]] = Counter()

    def compare(site: Site, layer: int, first: int, query: int, pattern: Tensor) -> None:
        part = slice(query, query + pattern.shape[2])
        places = product(range(first, first + pattern.shape[1]), range(query, query + pattern.shape[2]))
        times.update((Head(site, layer, head), place) for head, place in places)
        whole, there = seen.pattern[site, layer], queries(batch, site)[:, part]
        expected = whole[:, first : first + pattern.shape[1], part]
        # keys that a part does not show must get nothing
        expected, unseen = expected[..., : pattern.shape[3]], expected[..., pattern.shape[3] :]
        if pattern.shape != expected.shape or unseen.transpose(1, 2)[there].any():
            found.add(name_of((site, layer)), torch.tensor(math.inf))
        else:
            found.by_head((site, layer), pattern.transpose(1, 2)[there], expected.transpose(1, 2)[there], 1, first)

    sides: dict[Site, int] = {head.site: batch.query_side(head.site).tokens.shape[1] for head in model.heads}
    halves: dict[Site, tuple[int, ...]] = {site: (0, length // 2) for site, length in sides.items() if length > 1}
    model.watch(batch, compare, halves if cuts else NOWHERE)
    for head in model.heads:
        if any(times[head, place] != 1 for place in range(sides[head.site])):
            found.add(name_of((head.site, head.layer)), torch.tensor(math.inf))
