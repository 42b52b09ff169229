"""The checks of the gate, each a question to a model whose answer is known without it."""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from interp.errors import ModelError
from interp.models.gate.evidence import (
    Check,
    Evidence,
    Worst,
    apart,
    keys,
    look,
    name_of,
    queries,
    queries_of_output,
    silencing,
    visible,
)
from interp.models.unhooked import traces
from interp.text.spelling import first_loss
from interp.types import Batch, ChunkedPatterns, HasSinks, Head, Place, Provable, Resumable, Site, Tap

INVISIBLE = 1e-6
"""The most attention that may go where nothing can be seen: masks are added before softmax, which leaves 0."""


LONG = 1024
"""Tokens of the longest text that is tried: what is longer costs more than it shows."""

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

    The values come from a run of copies of one document, in each of which every head looks at one key alone; z is put
    back, so that every layer is given what it was given before.
    """
    name, what = "patterns_make_z", "a head's pattern and its values do not make what it writes"
    count = max(keys(evidence.copies(1), site).shape[1] for site, _ in evidence.places)
    copies = evidence.copies(count + 1)
    clean = look(evidence.model, copies)

    def at_one_key(_site: Site, _layer: int, pattern: Tensor) -> Tensor:
        keys = torch.arange(pattern.shape[-1], device=pattern.device)
        alone = torch.zeros_like(pattern)
        alone[keys, :, :, keys] = 1
        return alone

    def put_back(site: Site, layer: int, _z: Tensor) -> Tensor:
        return clean.z[site, layer]

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


def a_silenced_head_takes_its_share(evidence: Evidence) -> Check:
    """Where a head's z is zero, its own contribution is, no other, and the attention's output is without it."""
    name, what = "a_silenced_head_takes_its_share", "silencing a head changes more, or less, than its contribution"
    model, heads = evidence.model, evidence.sampled
    copies, intact = evidence.whole_copies
    clean = intact.z
    outputs = model.attention_outputs(copies, z=silencing(heads)) if isinstance(model, Provable) else {}
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
    """Silencing a head that writes anything moves what the model gives; a copy in which none is stays as it is."""
    model, heads = evidence.model, evidence.sampled
    copies, clean = evidence.whole_copies
    silenced = model.run(copies, z=silencing(heads), logits=False).hidden
    moved = apart(silenced, clean.output.hidden).flatten(1).amax(1)
    dead: list[str] = []
    for row, head in enumerate(heads):
        shares = model.contribution(head.layer, clean.z[head.site, head.layer][row : row + 1], head.site)
        size = evidence.tolerance * shares.float().sum(2).square().mean().sqrt()
        writes = bool(shares[:, :, head.head].float().abs().max() > size)
        if writes and not moved[row] > 10 * moved[-1]:
            dead.append(f"{name_of((head.site, head.layer))}, head {head.head}")
    detail = f"heads whose silence moves nothing: {'; '.join(dead[:3])}"
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


def parts_are_the_whole(evidence: Evidence) -> Check | None:
    """A model that shows its patterns a few heads at a time shows each once, and the same; others are not asked."""
    name, what = "parts_are_the_whole", "patterns shown a few heads at a time are not those of a run"
    if not isinstance(evidence.model, ChunkedPatterns):
        return None
    found = Worst()
    times: Counter[Head] = Counter()

    def compare(site: Site, layer: int, first: int, pattern: Tensor) -> None:
        times.update(Head(site, layer, first + number) for number in range(pattern.shape[1]))
        whole, there = evidence.seen.pattern[site, layer], queries(evidence.batch, site)
        shown, expected = pattern, whole[:, first : first + pattern.shape[1]]
        if shown.shape != expected.shape:
            found.add(name_of((site, layer)), torch.tensor(math.inf))
        else:
            found.by_head((site, layer), shown.transpose(1, 2)[there], expected.transpose(1, 2)[there], 1, first)

    evidence.model.watch(evidence.batch, compare)
    for head in evidence.model.heads:
        if times[head] != 1:
            found.add(name_of((head.site, head.layer)), torch.tensor(math.inf))
    return found.check(name, evidence.tolerance, what)


def resumed_is_run(evidence: Evidence) -> Check | None:
    """What the fast engine runs from a layer on, one head silenced there, is what a whole run gives, if it can."""
    name, what = "resumed_is_run", "the rest of the network from a layer on is not that of a whole run"
    model, batch = evidence.model, evidence.batch
    if not (isinstance(model, Resumable) and model.resumable):
        return None
    clean, found = model.remember(batch), Worst()
    site, last = evidence.places[-1]
    for layer in sorted({0, (last + 1) // 2}):
        silent = Head(site, layer, 0)
        change = model.contribution(layer, clean.z[layer], site)[:, :, silent.head]
        resumed = model.resume(clean, layer, (clean.attention_output[layer] - change)[None])
        expected = model.run(batch, z=silencing([silent] * len(batch.tokens)))
        found.outputs(resumed, expected, queries_of_output(batch))
    return found.check(name, evidence.tolerance, what)


def sinks(evidence: Evidence) -> Collection[Place]:
    """The attention layers that have keys that are no token."""
    return evidence.model.sinks if isinstance(evidence.model, HasSinks) else ()


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


def padding_changes_nothing(evidence: Evidence) -> Check:
    """A document among longer ones is seen, and run, as it is alone."""
    name, what = "padding_changes_nothing", "a document beside longer ones is not what it is alone"
    model, lengths = evidence.model, evidence.batch.mask.sum(1).tolist()
    padded = sorted((row for row, length in enumerate(lengths) if length < max(lengths)), key=lambda row: lengths[row])
    if not padded:
        return Check(name, None, 0.0, "no document is longer than another")
    found = Worst()
    for row in padded[:2]:
        batch = evidence.batch.rows([row]).shortened(model.pad_token)
        found.runs(look(model, batch, logits=True), evidence.seen, batch, [row])
    return found.check(name, evidence.tolerance, what)


def order_changes_nothing(evidence: Evidence) -> Check:
    """The documents of a batch in reverse give the same in reverse."""
    model, rows = evidence.model, range(len(evidence.batch.tokens))[::-1]
    batch = evidence.batch.rows(rows).shortened(model.pad_token)
    found = Worst()
    found.runs(look(model, batch, logits=True), evidence.seen, batch, rows)
    return found.check("order_changes_nothing", evidence.tolerance, "documents in another order give something else")


def the_longest_text_is_read(evidence: Evidence) -> Check | None:
    """A text as long as the model is said to read, or of `LONG` tokens, is read, and nothing invisible in it is seen.

    Tables of positions, masks and windows end where a short text never comes. Pictures are all of one size.
    """
    model, batch = evidence.model, evidence.batch
    if batch.pixels is not None:
        return None
    rows = int(batch.mask.sum(1).argmax())
    text = _as_long_as(batch, rows, min(model.positions, LONG))
    if batch.target is not None:
        longest = min(getattr(model, "target_positions", model.positions), LONG)
        text = replace(text, target=_as_long_as(batch.target, rows, longest))
    name, said = "the_longest_text_is_read", f"a text of {text.tokens.shape[1]} tokens, and {model.positions} are said"
    found = Worst()

    def compare(site: Site, layer: int, pattern: Tensor) -> None:
        hidden_from = ~visible(model, text, (site, layer))
        found.add(name_of((site, layer)), pattern.abs().amax(1)[hidden_from])

    try:
        output = model.run(text, pattern=compare, logits=False)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check(name, math.inf, INVISIBLE, f"{said} to be read, ends in {type(error).__name__}: {reason}")
    found.add("hidden states", torch.where(output.hidden.isfinite(), 0.0, math.inf))
    return found.check(name, INVISIBLE, f"{said} to be read: attention goes where nothing can be seen")


def _as_long_as(batch: Batch, row: int, length: int) -> Batch:
    """The tokens of one document, again and again."""
    tokens = batch.tokens[row, batch.mask[row]]
    tokens = tokens.repeat(-(-length // len(tokens)))[None, :length]
    return Batch.bare(tokens, torch.ones_like(tokens, dtype=torch.bool))


def tokens_are_the_text(evidence: Evidence) -> Check:
    """Tokens decode back to the text that they were made of; drawn ones and those of a picture never were a text."""
    if evidence.batch.pixels is not None:
        return Check("tokens_are_the_text", None, 0.0, "the tokens are patches of pictures, which spell no text")
    model, documents = evidence.model, evidence.encoded.corpus.documents
    if all(document.symbols is not None for document in documents):
        return Check("tokens_are_the_text", None, 0.0, "the documents are drawn tokens, which were never a text")
    texts = [document.text for document in documents]
    decode, unknown = (model.decode, model.unknown_token) if isinstance(model, Provable) else (_cannot_say, None)
    lost = first_loss(texts, evidence.encoded.encodings, decode, unknown)
    return Check("tokens_are_the_text", float(lost is not None), 0.0, f"tokens are not the text: {lost}")


def _only_raising(tap: Tap) -> Tap:
    """A tap that does as this one where it raises, and else only looks."""

    def look_only(site: Site, layer: int, activation: Tensor) -> None:
        tap(site, layer, activation)

    return look_only


def _cannot_say(_tokens: object) -> None:
    return None
