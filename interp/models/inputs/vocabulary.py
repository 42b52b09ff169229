"""A tokenizer's vocabulary to draw random tokens from, without a text that would have to be cut again."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.errors import ModelError
from interp.models.inputs.text import MEND
from interp.models.library_errors import refusing
from interp.types import Encoding


class Vocabulary:
    """The tokens that can stand alone, and what the tokenizer puts around a text."""

    def __init__(self, tokenizer: Any, name: str, rows: int | None = None) -> None:
        self._tokenizer, self._name, self._rows = tokenizer, name, rows

    @cached_property
    def alone(self) -> Int[np.ndarray, " token"]:
        """Ids, ascending, of the tokens whose text the tokenizer cuts into just this token.

        That leaves out special and unknown tokens, continuations (`##ing`), parts of letters and places kept free:
        nothing that a text would not hold, much of it never trained. Nor does it hold ids that the network has no
        embedding for, where `rows` says how many it has.
        """
        tokenizer = self._tokenizer
        ids = np.array(sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)), dtype=np.int64)
        ids = ids if self._rows is None else ids[ids < self._rows]
        if tokenizer.backend_tokenizer.decoder is None:
            texts = tokenizer.convert_ids_to_tokens(ids.tolist())
        else:
            texts = tokenizer.backend_tokenizer.decode_batch([[token] for token in ids.tolist()])
        cut = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids[[again == [token] for token, again in zip(ids.tolist(), cut, strict=True)]]

    @cached_property
    def around(self) -> tuple[list[int], list[int]]:
        """The special tokens before a text, and those after it."""
        out = self._tokenizer(self._tokenizer.decode([int(self.alone[0])]), return_special_tokens_mask=True)
        ids, special = out["input_ids"], out["special_tokens_mask"]
        own = [place for place, flag in enumerate(special) if not flag]
        return ids[: own[0]], ids[own[-1] + 1 :]

    def draw(
        self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int], positions: int
    ) -> list[Encoding]:
        """For each document, another token for every number in it, uniformly drawn; cut where it outgrows `positions`.

        Raises `ModelError` where the vocabulary has not so many tokens.
        """
        with refusing(f"The tokenizer of {self._name!r} says nothing of its vocabulary", MEND):
            return [self._draw(own, seed, positions) for own, seed in zip(symbols, seeds, strict=True)]

    def _draw(self, symbols: Int[np.ndarray, " token"], seed: int, positions: int) -> Encoding:
        count = int(symbols.max()) + 1
        if count > len(self.alone):
            raise ModelError(
                f"{self._name!r} has {len(self.alone)} tokens that can stand alone, and {count} different ones are "
                f"asked for. Allowed: at most {len(self.alone)}, such as corpus.length={len(self.alone)}."
            )
        before, after = self.around
        tokens = np.random.default_rng(seed).choice(self.alone, count, replace=False)[symbols]
        kept = tokens[: positions - len(before) - len(after)]
        ids = np.array([*before, *kept, *after], dtype=np.int32)
        special = np.ones(len(ids), dtype=bool)
        special[len(before) : len(before) + len(kept)] = False
        nowhere = np.zeros((len(ids), 2), dtype=np.int32)
        return Encoding(ids, nowhere, special, truncated=len(kept) < len(tokens))
