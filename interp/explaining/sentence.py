"""One sentence: where does each word attend, and which heads resolve a word to which candidate?"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.api import label
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.fidelity import WARNING
from interp.corpora.memory import require_room_for
from interp.corpora.text import sentence
from interp.errors import InterpError
from interp.explaining.explained_by import Modelled, modelled_by
from interp.heads import HEAD
from interp.plots import sentence_figures
from interp.progress import Progress, silent
from interp.tables.sentence import candidate_table, words_of
from interp.tallies.sentence import attention_table
from interp.text.find_word import Word, find_word, numbered
from interp.types import Corpus, HeadModel, check_model


@dataclass(frozen=True, eq=False)
class ExplainedSentence:
    """What every head does in one sentence: tables, and figures of them; a notebook shows the arcs."""

    attention: pd.DataFrame
    """One row per head, query word and key word that it can see: model seed site layer head query … key … mass.

    With `explained_by` also `modelled`: what the rules of that run give the key, of all that the query gives to cells.
    """
    candidates: pd.DataFrame | None
    """With a query, one row per head and candidate: model seed site layer head query candidate candidate_word mass."""
    skipped: Mapping[str, int]
    """What no table can hold, counted by reason."""
    notes: tuple[str, ...]
    """What was done, and what was lost, when the model read the sentence."""
    explained: Modelled | None = None
    """With `explained_by`, what the rules of that run give."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, as a run of `experiment=sentence` writes them."""
        found = {"attention": self.attention, "candidates": self.candidates}
        return {name: table for name, table in found.items() if table is not None}

    @property
    def words(self) -> list[str]:
        """The words of the sentence, in order; one without a token of its own is `·`."""
        return words_of(self.attention)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """`arcs` and `matrices` of the heads that attend most decidedly; with a query also `candidates`."""
        return sentence_figures(self.tables)

    @property
    def figure(self) -> Figure:
        """The arcs: of the query's word, or of all words where none is asked for."""
        return self.figures["arcs"]

    def _repr_png_(self) -> bytes:
        return self.figure._repr_png_()  # pyright: ignore[reportAttributeAccessIssue] - a PaperFigure

    def __repr__(self) -> str:
        heads, model = self.attention[HEAD].drop_duplicates(), self.attention["model"].iloc[0]
        tables = ", ".join(f"{name} of {len(table):,} rows" for name, table in self.tables.items())
        return f"<ExplainedSentence {' '.join(self.words)!r}: {len(heads)} heads of {model!r}; {tables}>"


def explain_sentence(
    model: HeadModel,
    text: str,
    *,
    query: Word | None = None,
    candidates: Sequence[Word] | Word | None = None,
    words: str | Sequence[str] | None = None,
    explained_by: str | Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ExplainedSentence:
    """The attention of every head between the words of one sentence, and a figure that a notebook shows.

    With a `query`, a word of it (as it is written, or its number from 0), also every head's attention from there to
    the `candidates` (words as well; without them every word that it can see). `words`, a list or a text with spaces
    between them, are the words of the sentence where the rule for words (`didn't` is one) is not what is meant.
    With `explained_by`, the folder of a run of `experiment=explain` of the same model, the table has what the rules of
    that run give each word beside the attention (`modelled`), with the strengths that it has fitted for the head.
    `seed` is only written down. Raises `InterpError` for a word that is not there, stands there twice, or cannot be
    seen, for a sentence that the model cannot read whole, and for a run that has no strengths of this model.
    """
    check_model(model)
    if not isinstance(text, str):
        raise InterpError(
            f"An object of the type {type(text).__name__} is given where the sentence belongs. Allowed: a text, such "
            'as interp.explain_sentence(model, "The cat sat on the mat.").'
        )
    corpus, asked = sentence(text, words), [candidates] if isinstance(candidates, Word) else candidates
    found = attention_between_words(model, corpus, query, asked, explained_by, seed=seed, progress=progress)
    for note in found.notes:
        if note.startswith(WARNING):
            warnings.warn(note.removeprefix(WARNING), stacklevel=2)
    return found


def attention_between_words(
    model: HeadModel,
    corpus: Corpus,
    query: Word | None,
    candidates: Sequence[Word] | None,
    explained_by: str | Path | None = None,
    *,
    seed: int,
    progress: Progress = silent,
) -> ExplainedSentence:
    """The same for a corpus of one sentence (`interp.corpora.text.sentence`)."""
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
            f"In {corpus.documents[0].text!r} no word can attend to another. "
            f"Give a sentence of two words or more{besides}.{cut}"
        )
    found = None
    if asked is not None:
        _refuse_unseen(words, asked, chosen, visible, model.name)
        keys = chosen or [word for word in range(len(words)) if visible[asked, word]]
        found = candidate_table(attention, asked, keys)
    explained = None if explained_by is None else modelled_by(model, encoded, explained_by)
    if explained is not None:
        # across two texts nothing is given
        attention = attention.merge(explained.table, on=[*HEAD, "query", "key"], how="left")
    said = (f"words without a token of their own, in no table: {numbered(words, without)}",) if without else ()

    def labelled(table: pd.DataFrame) -> pd.DataFrame:
        return label(table, model, corpus, seed).drop(columns="corpus")

    return ExplainedSentence(
        labelled(attention),
        None if found is None else labelled(found),
        encoded.skipped,
        (*encoded.notes, *said, *(explained.notes if explained else ())),
        explained,
    )


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
