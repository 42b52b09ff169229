"""The contract read a second time: slow, plain numpy, one sentence at a time, without a line of `interp`.

Tests compare `interp.score` with this. Nothing is batched, padded, hooked or folded; every step names the sentence of
the contract it obeys, and `# reading:` marks where the contract leaves room. The axes `[layer, head, ...]` are carried
along, because heads never interact; sentences, words, tokens and queries are looped over.
"""

from fractions import Fraction
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import conllu
import numpy as np
import pandas as pd
import torch

TIE = 1e-6
WORD_OFFSETS = [sign * distance for distance in range(1, 11) for sign in (-1, 1)]  # -1, +1, -2, +2, ... -10, +10
TOKEN_OFFSETS = [-3, -2, -1, 1, 2, 3]
COLUMNS = ["role", "layer", "head", "split", "n", "hit", "mass", "word_mass", "baseline", "baseline_name", "lift"]


# Documents


def block_of(source_id):
    """Blocks: the 8-byte blake2b of the source document's id, read big-endian, modulo 64."""
    return int.from_bytes(blake2b(source_id.encode(), digest_size=8).digest(), "big") % 64


def sentences(path, limit=None):
    """The first `limit` sentences of a CoNLL-U file, each a document with its words' spans in the raw text."""
    with Path(path).open(encoding="utf-8") as lines:
        parsed = list(islice(conllu.parse_incr(lines), limit))
    found = []
    newdoc = None
    for rows in parsed:
        # The newdoc id stands at a source document's first sentence and holds until the next one.
        if "newdoc id" in rows.metadata:
            newdoc = rows.metadata["newdoc id"]
        elif "newdoc" in rows.metadata:
            newdoc = None  # reading: a newdoc without an id starts a source document without one
        words = [row for row in rows if isinstance(row["id"], int)]  # not 2-3 (multiword), not 8.1 (empty node)
        text = rows.metadata.get("text") or joined(rows)
        position = {row["id"]: index for index, row in enumerate(words)}
        governors, relations = [], []
        for row in words:
            relation = row["deprel"]
            known = row["head"] is not None and relation not in (None, "_")
            # -1: the root, whose governor lies outside the sentence. None: no gold.
            governors.append(position.get(row["head"], -1) if known else None)
            relations.append(str(relation).split(":")[0] if known else None)  # subtypes fold into their relation
        source = newdoc if newdoc is not None else text  # its own text where there is no id
        document = {"words": [row["form"] for row in words], "spans": spans_in(text, rows), "text": text}
        document |= {"governors": governors, "relations": relations, "block": block_of(source)}
        found.append(document)
    return found


def surface(rows):
    """What stands in the text: multiword tokens with the ids of their parts, and the words outside of them."""
    units, covered = [], set()
    for row in rows:
        if isinstance(row["id"], int):
            if row["id"] not in covered:
                units.append((row, [row["id"]]))
        elif row["id"][1] == "-":
            parts = list(range(row["id"][0], row["id"][2] + 1))
            covered.update(parts)
            units.append((row, parts))
    return units


def joined(rows):
    """Without `# text`: the forms joined by SpaceAfter (of the multiword token where there is one)."""
    text = ""
    for row, _ in surface(rows):
        text += row["form"] + ("" if (row["misc"] or {}).get("SpaceAfter") == "No" else " ")
    return text.rstrip()


def spans_in(text, rows):
    """Each word's (start, end): every form must be the next thing in the text, spaces apart."""
    form = {row["id"]: row["form"] for row in rows if isinstance(row["id"], int)}
    spans = []
    here = 0
    for row, parts in surface(rows):
        while here < len(text) and text[here].isspace():
            here += 1
        if not text.startswith(row["form"], here):
            raise ValueError(f"{row['form']!r} is not the next thing in {text!r} at {here}")
        end = here + len(row["form"])
        if "".join(form[part] for part in parts) == row["form"]:
            for part in parts:
                spans.append((here, here + len(form[part])))
                here += len(form[part])
        else:
            # A multiword token whose parts do not spell its form gives its whole span to its first word.
            spans.append((here, end))
            spans.extend((end, end) for _ in parts[1:])  # empty: these words own no token
        here = end
    return spans


# One model on one sentence


def attention_of(model, tokenizer, text):
    """Attention [layer, head, query, key] of a transformers model (eager); each token's offsets, specialness and id.

    The text is tokenised raw, with the tokenizer's own special tokens, cut at the model's positions.
    """
    cut = {"truncation": True, "max_length": model.config.max_position_embeddings, "padding": False}
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, **cut)
    ids = torch.tensor([encoded["input_ids"]])
    with torch.no_grad():
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    attention = np.stack([layer[0].float().numpy() for layer in output.attentions])
    # reading: special are the tokens the tokenizer added, not a "[SEP]" that somebody typed into the text.
    special = [bool(flag) for flag in encoded["special_tokens_mask"]]
    return attention, [tuple(pair) for pair in encoded["offset_mapping"]], special, encoded["input_ids"]


def tokens_of_words(text, spans, offsets, special):
    """For each word the tokens it owns: those whose first non-space character it holds."""
    owned = [[] for _ in spans]
    for token, (start, end) in enumerate(offsets):
        if special[token]:
            continue
        characters = [c for c in range(start, end) if not text[c].isspace()]
        if not characters:
            continue  # only spaces: belongs to no word
        for word, (left, right) in enumerate(spans):
            if left <= characters[0] < right:
                owned[word].append(token)
    return owned


def sees(query, key, causal):
    """Whether the query token could have attended to the key token: a property of the model, not of the pattern."""
    return key <= query or not causal


def word_candidates(owned, query, causal):
    """The visible aligned words other than the query; visible = all its tokens are, to the query's last token."""
    last = owned[query][-1]
    words = [word for word, tokens in enumerate(owned) if tokens and word != query]
    return [word for word in words if all(sees(last, token, causal) for token in owned[word])]


def word_attention(attention, owned):
    """[layer, head, word, word]: sum over the tokens attended to, mean over the tokens attending, nothing renormalised.

    Special tokens belong to no word, so they drop out; a word's attention to itself is dropped (zero, never read).
    """
    layers, heads = attention.shape[:2]
    result = np.zeros((layers, heads, len(owned), len(owned)))
    for attending, rows in enumerate(owned):
        for attended, columns in enumerate(owned):
            if attending == attended or not rows:
                continue
            for row in rows:
                for column in columns:
                    result[:, :, attending, attended] += attention[:, :, row, column].astype(np.float64) / len(rows)
    return result


# Roles: {role: {query: targets}}


def relation_targets(governors, relations):
    """Every relation but punct and root, both ways; one query per word and role, however many targets."""
    roles = {}
    for dependent, (governor, relation) in enumerate(zip(governors, relations, strict=True)):
        if relation in (None, "punct", "root") or governor is None or governor < 0:
            continue
        roles.setdefault(f"{relation}.to_governor", {}).setdefault(dependent, set()).add(governor)
        roles.setdefault(f"{relation}.to_dependent", {}).setdefault(governor, set()).add(dependent)
    return roles


def head_word(start, end, governors):
    """First word of the span [start, end) whose governor lies outside it; the last word where there is no syntax."""
    for word in range(start, end):
        governor = governors[word] if governors else None
        if governor is not None and not start <= governor < end:  # the root's governor (-1) is outside every span
            return word
    return end - 1


def coref_targets(mentions, governors):
    """coref.antecedent: head of a mention with antecedents -> heads of all. Mentions are (start, end, entity)."""
    queries = {}
    for start, end, entity in mentions:
        for start_2, end_2, entity_2 in mentions:
            # reading: an antecedent is a mention of the same entity that comes earlier by (start, end), even where its
            # head word stands to the right (nested mentions); mentions that share a head word are one query.
            if entity_2 == entity and (start_2, end_2) < (start, end):
                queries.setdefault(head_word(start, end, governors), set()).add(head_word(start_2, end_2, governors))
    return {"coref.antecedent": queries} if queries else {}


def positional_targets(special):
    """offset-3 ... offset+3, self, first, separator, for every token that is not special (those are never queries)."""
    queries = [token for token, flag in enumerate(special) if not flag]  # reading: a token of spaces only is a query
    separators = {token for token, flag in enumerate(special) if flag and token > 0}  # special, after the first token
    roles = {}
    for offset in TOKEN_OFFSETS:  # reading: token offsets count all tokens, so [CLS] is offset-1 of the second one
        roles[f"offset{offset:+d}"] = {q: {q + offset} for q in queries if 0 <= q + offset < len(special)}
    roles["self"] = {query: {query} for query in queries}
    roles["first"] = {query: {0} for query in queries}
    roles["separator"] = dict.fromkeys(queries, separators)
    return roles


def copying_targets(ids, special):
    """duplicate: earlier occurrences of the same token; induction: what came after them. Special tokens are neither."""
    duplicate, induction = {}, {}
    for query, flag in enumerate(special):
        earlier = [key for key in range(query) if ids[key] == ids[query] and not special[key]]
        if flag or not earlier:
            continue
        duplicate[query] = set(earlier)
        # reading: earlier only, also where later tokens are seen; the query itself is left out with all roles
        induction[query] = {key + 1 for key in earlier if not special[key + 1]}
    return {"duplicate": duplicate, "induction": induction}


# One query


def hit_and_mass(row, candidates, targets):
    """Of one row [layer, head, key]: the hit (ties share the credit), attention on targets, and on all candidates."""
    among = row[:, :, candidates].astype(np.float64)
    best = among.max(axis=2, keepdims=True)
    tied = among >= best - TIE  # all candidates within 1e-6 of the maximum
    is_target = np.array([candidate in targets for candidate in candidates])
    hit = (tied & is_target).sum(axis=2) / tied.sum(axis=2)
    return hit, among[:, :, is_target].sum(axis=2), among.sum(axis=2)


def baseline_credits(query, candidates, targets, owned, mention_heads=None):
    """What each baseline without a model earns on this query, in the contract's order (exact fractions)."""
    baselines = {}
    for offset in WORD_OFFSETS:  # offsets count all words of the document, unaligned ones too
        baselines[f"offset{offset:+d}"] = [query + offset]
    baselines["first"] = [0]
    most = max(len(owned[candidate]) for candidate in candidates)
    baselines["most_tokens"] = [candidate for candidate in candidates if len(owned[candidate]) == most]
    if mention_heads is not None:
        # reading: the nearest preceding mention, of whatever entity, is the one whose head word is the closest before.
        before = [word for word in mention_heads if word < query]
        baselines["nearest_mention"] = [max(before)] if before else []
    # A baseline of several words shares its credit; one that is no candidate is a miss (all targets are candidates).
    return {name: Fraction(len(targets & set(words)), len(words) or 1) for name, words in baselines.items()}


def observations(sentence, model, tokenizer, causal):
    """Yield (role, record) for every scored query of one sentence."""
    text, block = sentence["text"], sentence["block"]
    attention, offsets, special, ids = attention_of(model, tokenizer, text)
    owned = tokens_of_words(text, sentence["spans"], offsets, special)
    by_word = word_attention(attention, owned)
    mentions, governors = sentence.get("mentions", []), sentence["governors"]
    coreference = coref_targets(mentions, governors)
    mention_heads = [head_word(start, end, governors) for start, end, _ in mentions]
    for role, queries in (relation_targets(governors, sentence["relations"]) | coreference).items():
        for query, wanted in queries.items():
            if not owned[query]:
                continue  # unaligned: never a query, never a key
            candidates = word_candidates(owned, query, causal)
            targets = wanted & set(candidates)  # invisible, unaligned or the query itself: left out
            if not targets or len(candidates) < 2:
                continue
            hit, mass, word_mass = hit_and_mass(by_word[:, :, query], candidates, targets)
            heads = mention_heads if role in coreference else None
            baselines = baseline_credits(query, candidates, targets, owned, heads)
            yield role, {"block": block, "hit": hit, "mass": mass, "word_mass": word_mass, "baselines": baselines}
    for role, queries in (positional_targets(special) | copying_targets(ids, special)).items():
        for query, wanted in queries.items():
            visible = [key for key in range(len(special)) if sees(query, key, causal)]  # special and itself included
            targets = wanted & set(visible)
            if role != "self":
                targets -= {query}  # only the role `self` has the query as its target
            if not targets or len(visible) < 2:
                continue
            hit, mass, _ = hit_and_mass(attention[:, :, query], visible, targets)
            yield role, {"block": block, "hit": hit, "mass": mass, "uniform": Fraction(len(targets), len(visible))}


# All sentences


def oracle_scores(sentences, model, tokenizer, causal):
    """One row per role, head and split, for a list of what `sentences` returns (`mentions` may be added to each)."""
    records = {}
    for sentence in sentences:
        for role, record in observations(sentence, model, tokenizer, causal):
            records.setdefault(role, []).append(record)
    rows = []
    for role, scored in records.items():
        splits = {
            "select": [record for record in scored if record["block"] % 2 == 0],
            "confirm": [record for record in scored if record["block"] % 2 == 1],
            "all": scored,
        }
        by_hit = "baselines" in scored[0]
        name = best_baseline(splits["select"], list(scored[0]["baselines"])) if by_hit else "uniform"
        for split, chosen in splits.items():
            n = len(chosen)
            if n == 0:
                continue  # a role without a scored query in a split has no row there
            hit = np.sum([record["hit"] for record in chosen], axis=0) / n
            mass = np.sum([record["mass"] for record in chosen], axis=0) / n
            on_words = [record["word_mass"] if by_hit else np.full(hit.shape, np.nan) for record in chosen]
            word_mass = np.sum(on_words, axis=0) / n
            earned = [record["baselines"][name] if by_hit else record["uniform"] for record in chosen]
            baseline = float(sum(earned) / n)
            lift = (hit if by_hit else mass) - baseline  # = sum of (statistic - baseline of the same query) / n
            for layer in range(hit.shape[0]):
                for head in range(hit.shape[1]):
                    at = (layer, head)
                    values = (n, hit[at], mass[at], word_mass[at], baseline, name, lift[at])
                    rows.append((role, layer, head, split, *values))
    return pd.DataFrame(rows, columns=COLUMNS)


def best_baseline(select, names):
    """What earns most on select, the earlier one in a tie; the first one (offset-1) where select is empty."""
    best = names[0]
    for name in names[1:]:
        if sum(record["baselines"][name] for record in select) > sum(record["baselines"][best] for record in select):
            best = name
    return best
