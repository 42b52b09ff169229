"""One sentence: where does each word look, and which heads resolve a word to which candidate?"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import product
from unicodedata import normalize

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from interp import plots
from interp.api import label
from interp.attention.candidates import word_candidates
from interp.attention.finite import finite_attention
from interp.attention.visibility import mask_groups, visible_keys
from interp.corpora.batching import collate, encode
from interp.corpora.memory import require_room_for
from interp.errors import InterpError
from interp.heads import HEAD, head_name
from interp.progress import Progress, silent
from interp.results import Findings
from interp.types import Batch, Corpus, Head, HeadModel, Site

Word = str | int
"""A word of the sentence, as it stands there or by its number from 0."""


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    query: Word | None = None,
    candidates: Sequence[Word] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Word-level attention of every head; with a query, also its attention on each candidate (default: every word)."""
    if corpus.has_pictures:
        raise InterpError(
            f"The corpus {corpus.name!r} is of pictures, and experiment=sentence shows a sentence. "
            'Allowed: text="…"; for pictures another experiment, such as experiment=head_roles.'
        )
    words = corpus.documents[0].words
    if query is None and candidates:
        raise InterpError("candidates=… is given without query=…. Say whose candidates they are, for example query=it.")
    asked = None if query is None else find_word(words, query, "query")
    chosen = [find_word(words, word, "candidates") for word in candidates or ()]
    encoded = encode(model, corpus)
    if encoded.skipped["truncated_documents"]:
        raise InterpError(
            f"The sentence is longer than the {model.positions} tokens that {model.name!r} can read. "
            "Give a shorter one."
        )
    require_room_for(model, encoded, len(model.heads))
    with_token = set(encoded.words[0].tolist()) - {-1}
    _refuse_without_token(words, with_token, asked, chosen, model.name)
    batch = collate(encoded, [0], model)
    target = () if encoded.target is None else encoded.target.corpus.documents[0].words
    attention, visible = attention_table(model, batch, words, target, progress)
    without = [word for word in range(len(words)) if word not in with_token]
    if not visible.any():
        besides = f" with tokens of their own, which these have not: {numbered(words, without)}" if without else ""
        # scripts that set no spaces between words
        uncut = len(words) == 1 and not words[0].isascii()
        cut = ' Of one written without spaces, say which its words are: words="日本 語 …".' if uncut else ""
        raise InterpError(
            f"In {corpus.documents[0].text!r} no word can look at another. "
            f"Give a sentence of two words or more{besides}.{cut}"
        )
    tables = {"attention": label(attention, model, corpus, seed).drop(columns="corpus")}
    if asked is not None:
        _refuse_unseen(words, asked, chosen, visible, model.name)
        keys = chosen or [word for word in range(len(words)) if visible[asked, word]]
        of_sentence = attention[attention.site.isin(("self", "encoder"))]
        found = of_sentence[(of_sentence["query"] == asked) & of_sentence.key.isin(keys)]
        found = found[[*HEAD, "query", "key", "mass"]].rename(columns={"key": "candidate"}).reset_index(drop=True)
        tables["candidates"] = label(found, model, corpus, seed).drop(columns="corpus")
    said = (f"words without a token of their own, in no table: {numbered(words, without)}",) if without else ()
    return Findings(tables, encoded.skipped, (*encoded.notes, *said))


def find_word(words: Sequence[str], given: Word, what: str) -> int:
    """The number of the word: exactly as written, else in another Unicode form, else whatever its case.

    Raises `InterpError` if it is not one."""
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given < len(words):
            raise InterpError(
                f"{what}={given}: the sentence has words 0 to {len(words) - 1}. Allowed: one of these numbers."
            )
        return given
    text = str(given)
    places: list[int] = []
    for form in (str, _composed, lambda word: _composed(word.lower())):
        places = places or [i for i, word in enumerate(words) if form(word) == form(text)]
    if not places:
        near = get_close_matches(text, words, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InterpError(
            f"{what}={text} is not in the sentence.{hint} Its words: {numbered(words)}{_cut_out(words, text)}"
        )
    if len(places) > 1:
        raise InterpError(
            f"{what}={text} stands {len(places)} times in the sentence, as words {', '.join(map(str, places))}. "
            f"Pick one by its number, for example {places[0]} instead of {text}."
        )
    return places[0]


def _composed(word: str) -> str:
    """The word with its accents as they are mostly typed: one character with the letter where there is such a one."""
    return normalize("NFC", word)


def numbered(words: Sequence[str], chosen: Iterable[int] | None = None) -> str:
    """The words, or the chosen ones of them, each with its number."""
    return " ".join(f"{i}:{words[i]}" for i in (range(len(words)) if chosen is None else chosen))


def _cut_out(words: Sequence[str], text: str) -> str:
    """How to make a word of what is only a part of one, such as `it` of `it's` or a word of a Chinese sentence."""
    place = next((i for i, word in enumerate(words) if text and text.lower() in word.lower()), None)
    if place is None:
        return ""
    start = words[place].lower().find(text.lower())
    end = start + len(text)
    parts = (words[place][:start], words[place][start:end], words[place][end:])
    cut = [*words[:place], *filter(None, parts), *words[place + 1 :]]
    listed = ",".join(repr(word) if word in (",", '"') else word for word in cut)
    return f'. It is a part of {words[place]!r}; to make it a word, give all words: "words=[{listed}]"'


def attention_table(
    model: HeadModel,
    batch: Batch,
    words: Sequence[str],
    target: Sequence[str] = (),
    progress: Progress = silent,
) -> tuple[pd.DataFrame, np.ndarray]:
    """One row per head, query word and key word that it can see; and which words each of the sentence's can see.

    In a decoder the words are those of the `target`; its cross-attention looks from them to the sentence. Raises
    `ModelError` where a token's attention is not finite.
    """
    groups = mask_groups(model)
    visible = visible_keys(model, batch)
    views = {group: word_candidates(batch, seen, group[0]) for group, seen in visible.items()}
    by_layer: dict[tuple[Site, int], Float[Tensor, "head query key"]] = {}

    def watch(site: Site, layer: int, pattern: Tensor) -> None:
        group = groups[site, layer]
        pattern = finite_attention(model, batch, visible[group], site, layer, 0, pattern)
        by_layer[site, layer] = views[group].attention(pattern)[0].cpu()

    for one in progress([batch], "sentence"):
        model.run(one, pattern=watch, logits=False)
    tables: list[pd.DataFrame] = []
    for site, layer in groups:
        query, key = np.nonzero(views[groups[site, layer]].candidates[0].cpu().numpy())
        asking, asked = (
            target if batch.query_side(site) is batch.target else words,
            target if site == "decoder" else words,
        )
        masses = by_layer[site, layer][:, query, key].numpy().astype(np.float64)
        pairs = [(q, asking[q], k, asked[k]) for q, k in zip(query.tolist(), key.tolist(), strict=True)]
        rows = [(*Head(site, layer, head), *pair) for head, pair in product(range(len(masses)), pairs)]
        of_layer = pd.DataFrame(rows, columns=[*HEAD, "query", "query_word", "key", "key_word"])
        tables.append(of_layer.assign(mass=masses.reshape(-1)))
    first = next(view for (site, _), view in views.items() if site in ("self", "encoder"))
    # the batch ends with the last word that owns a token; the words after it see nothing and are not seen
    seen = first.candidates[0].cpu().numpy()
    sees = np.zeros((len(words), len(words)), dtype=bool)
    sees[: len(seen), : len(seen)] = seen
    return pd.concat(tables, ignore_index=True), sees


def _refuse_without_token(
    words: Sequence[str], with_token: set[int], asked: int | None, chosen: Sequence[int], name: str
) -> None:
    """Raises `InterpError` where a word that is asked for, or every word, owns no token."""
    if not with_token:
        raise InterpError(
            f"No word of the sentence ({numbered(words)}) has a token of its own in {name!r}: its tokens are the "
            "tokenizer's special ones or stand for nothing. Give a sentence of words that the model reads."
        )
    for what, word in (("query", asked), *(("candidate", word) for word in chosen)):
        if word is not None and word not in with_token:
            raise InterpError(
                f"The {what} {words[word]!r} (word {word}) has no token of its own in {name!r}: it shares one with the "
                "word before it, or is one of the tokenizer's special tokens, or none. "
                f"Allowed: {numbered(words, sorted(with_token))}"
            )


def _refuse_unseen(words: Sequence[str], asked: int, chosen: Sequence[int], visible: np.ndarray, name: str) -> None:
    if not visible[asked].any():
        raise InterpError(
            f"From {words[asked]!r} (word {asked}) {name!r} can see no other word; a causal model sees only earlier "
            "ones. Allowed: a later word."
        )
    for word in chosen:
        if not visible[asked, word]:
            why = "is the query itself" if word == asked else f"cannot be seen from it by {name!r}"
            raise InterpError(
                f"The candidate {words[word]!r} (word {word}) of the query {words[asked]!r} (word {asked}) {why}. "
                "Allowed: other words that the model can see from the query; a causal model sees only earlier ones."
            )


def best_heads(
    tables: Mapping[str, pd.DataFrame], count: int = 4, sites: Sequence[str] = ("self", "encoder")
) -> list[tuple[str, int, int]]:
    """With a query, the heads that look most from it to a candidate; else those whose words look most decidedly."""
    if "candidates" in tables:
        strength = tables["candidates"].groupby(HEAD)["mass"].max()
    else:
        attention = tables["attention"]
        attention = attention[attention.site.isin(sites)]
        strength = attention.groupby([*HEAD, "query"])["mass"].max().groupby(HEAD).mean()
    return [tuple(head) for head in strength.sort_values(ascending=False, kind="stable").index[:count]]


def words_of(attention: pd.DataFrame) -> list[str]:
    """The sentence's words, in order, from its table."""
    attention = attention[attention.site.isin(("self", "encoder"))]
    words = dict(zip(attention["query"], attention["query_word"], strict=True))
    words |= dict(zip(attention["key"], attention["key_word"], strict=True))
    return [words.get(number, "·") for number in range(max(words) + 1)]


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The best heads as arcs and as matrices; with a query also its candidates, head by head."""
    attention, heads = tables["attention"], best_heads(tables)
    words = words_of(attention)
    figures = {"matrices": plots.attention_matrices(attention, heads)}
    if across := best_heads({"attention": attention}, sites=("cross",)):
        figures["cross_matrices"] = plots.attention_matrices(attention, across)
    if "candidates" not in tables:
        return figures | {"arcs": plots.attention_arcs(attention, words, heads)}
    found = tables["candidates"]
    names = {"query_word": [words[i] for i in found["query"]], "candidate_word": [words[i] for i in found["candidate"]]}
    return figures | {
        "arcs": plots.attention_arcs(attention, words, heads, query=int(found["query"].iloc[0])),
        "candidates": plots.candidate_bars(found.assign(**names)),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For each candidate the heads that look most at it; without a query, where the most decided heads look."""
    attention = tables["attention"]
    if "candidates" not in tables:
        heads = best_heads(tables, 3) + best_heads(tables, 3, sites=("cross",))
        return _where_each_word_looks(attention, heads)
    words, found = words_of(attention), tables["candidates"]
    query = int(found["query"].iloc[0])
    wide = found.pivot_table(index=HEAD, columns="candidate", values="mass")
    lines = [f"Where {words[query]!r} (word {query}) looks, and the heads that look there most:"]
    leading = wide.max().sort_values(ascending=False).index[:4]
    for candidate in leading:
        lines.append(f"  at {words[candidate]!r} (word {candidate})")
        top = wide.sort_values(candidate, ascending=False, kind="stable").head(3)
        for place, row in zip(top.index.to_list(), top.to_dict("records"), strict=True):
            others = ", ".join(f"{words[other]!r} {row[other]:.2f}" for other in leading if other != candidate)
            lines.append(f"    head {head_name(*place):<5} {row[candidate]:.2f}" + (f"  ({others})" if others else ""))
    return lines


def _where_each_word_looks(attention: pd.DataFrame, heads: Sequence[tuple[str, int, int]]) -> list[str]:
    lines = ["The heads whose words look most decidedly, and where (words with less than .30 left out):"]
    for site, layer, head in heads:
        mine = attention[(attention.site == site) & (attention.layer == layer) & (attention["head"] == head)]
        top = mine.loc[mine.groupby("query")["mass"].idxmax()]
        looks = ", ".join(f"{r.query_word}→{r.key_word} {r.mass:.2f}" for r in top[top.mass >= 0.3].itertuples())
        lines.append(f"    head {head_name(site, layer, head)}: {looks or 'nowhere with .30 or more'}")
    return lines
