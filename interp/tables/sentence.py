"""The tables of one sentence: from every head's attention between its words to candidates and the heads to show."""

from collections.abc import Mapping, Sequence

import pandas as pd

from interp.heads import HEAD


def candidate_table(attention: pd.DataFrame, query: int, keys: Sequence[int]) -> pd.DataFrame:
    """Each head's attention from the query to each candidate among these words of the sentence."""
    of_sentence = attention[attention.site.isin(("self", "encoder"))]
    found = of_sentence[(of_sentence["query"] == query) & of_sentence.key.isin(keys)]
    names = {"key": "candidate", "key_word": "candidate_word"}
    return found[[*HEAD, "query", *names, "mass"]].rename(columns=names).reset_index(drop=True)


def most_attending_heads(
    tables: Mapping[str, pd.DataFrame], count: int = 4, sites: Sequence[str] = ("self", "encoder")
) -> list[tuple[str, int, int]]:
    """With a query, the heads that attend most from it to a candidate; else those whose words attend most decidedly."""
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
