"""Roles as rules: the keys that a role marks are cells among which its rule spreads attention evenly."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool

from interp.cells import CellAttention, Rule, RuleSets, Unit
from interp.corpora.batching import collate
from interp.errors import InterpError
from interp.tallies.rule_sets import named_rule_sets
from interp.tallies.rules import Named, only_seen
from interp.types import Batch, EncodedCorpus, HeadModel, Role


def insist_on_rules(roles: Sequence[Role], unit: Unit) -> None:
    """Raises `InterpError` where a role names no cells of its queries: it says which, and why.

    Mentions are no cells, nor are words where tokens are asked; a role of another view asks for what a query gets; and
    one of cross-attention alone names keys of another text.
    """
    for role in roles:
        why = ""
        if role.unit == "mention":
            why = "it asks mentions, which are no cells"
        elif role.unit == "word" and unit == "token":
            why = "it asks words, and explain.unit=token asks tokens"
        elif role.view == "columns":
            why = "it asks for the attention that a query gets, not for what it gives"
        elif not set(role.sites) - {"cross"}:
            why = "it is of cross-attention, and attention within one text is asked"
        elif role.family == "uniform":
            why = "its family, uniform, is that of the rule that names all cells"
        if why:
            raise InterpError(
                f"The role {role.name!r} cannot be a rule: {why}. Allowed: roles of words"
                f"{' (with explain.unit=word)' if unit == 'token' else ''} or of tokens, asked within one text."
            )


def role_rule_sets(
    roles: Sequence[Role], encoded: EncodedCorpus, model: HeadModel, cells: CellAttention, unit: Unit
) -> RuleSets:
    """The rules that these roles are, for the entries of `cells`, in the text `encoded` that the heads attend within.

    A role that is not asked at the site of these heads, or marks no cell that is seen, is no rule here.
    """
    asked = [role for role in roles if cells.heads[0][0] in role.sites]

    def rules(number: int, tokens: np.ndarray, seen: np.ndarray) -> Iterator[Named]:
        del tokens
        return rules_of_roles(asked, collate(encoded, [number], model), seen, unit)

    documents, encodings = encoded.corpus.documents, encoded.encodings
    sizes = {n: len(documents[n].words) if unit == "word" else len(encodings[n].tokens) for n in cells.tokens}
    return named_rule_sets(cells, sizes, rules)


def rules_of_roles(
    roles: Sequence[Role], batch: Batch, seen: Bool[np.ndarray, "word cell"], unit: Unit
) -> Iterator[Named]:
    """The rules of one document, which is all of the batch, and the cells that they name, all of them seen.

    The query itself is named by a `reflexive` role alone, as where roles are scored. Of a role of tokens a cell is
    named where any token of the query marks any of its tokens; special tokens are their cells.
    """
    count = len(seen)
    in_cell = _tokens_in_cells(batch, count, unit)

    def named() -> Iterator[tuple[Rule, Bool[np.ndarray, "word cell"]]]:
        for role in roles:
            marked = role.targets(batch)[0].cpu().numpy()
            if not role.reflexive:
                marked = marked & ~np.eye(len(marked), dtype=bool)
            if role.unit == "token":
                cells = (in_cell[:, :count].T @ marked.astype(np.float32) @ in_cell) > 0
            else:
                # words after the last that owns a token are in no batch
                cells = np.zeros((count, count), dtype=bool)
                cells[: len(marked), : len(marked)] = marked
            yield Rule(role.name, role.family), cells

    return only_seen(named(), seen)


def _tokens_in_cells(batch: Batch, count: int, unit: Unit) -> np.ndarray:
    """1 where a token is of a cell: words (or tokens), then the first special token and the later ones; Float[t, c]."""
    special = batch.special[0].cpu().numpy()
    place = batch.word[0].cpu().numpy() if unit == "word" else np.where(special, -1, np.arange(count))
    place = np.where(special, np.where(np.cumsum(special) == 1, count, count + 1), place)
    return (place[:, None] == np.arange(count + 2)).astype(np.float32)
