"""How much of its texts a model reads: words without a token, unknown tokens, texts that tokens do not spell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from interp.text.spelling import losses
from interp.types import Document, Encoding, HeadModel, Provable

MUCH = 0.05
"""The share of words, or of tokens, from which it is a warning that they are lost or unknown."""

WARNING = "Warning: "
"""How a line opens that nobody should miss."""


@dataclass
class Fidelity:
    """Counts over the texts of one kind, whose name it has: documents, alternative sentences or targets.

    A word is unaligned that owns no token: it shares its only one with the word before, the tokenizer drops it, it has
    no place of its own in the text (`placeless`: another part of its multiword token stands there, whatever the model),
    or it is cut off, beyond what the model reads. A word is unknown whose tokens all stand for the unknown. A text is
    misspelt that its tokens do not spell (`interp.text.spelling.losses`); `example` says where the first is not.
    """

    name: str
    texts: int = 0
    words: int = 0
    unaligned: int = 0
    placeless: int = 0
    cut_off: int = 0
    unknown_words: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    misspelt: int = 0
    example: str = ""

    def notes(self) -> tuple[str, ...]:
        """What there is to say, a line each; none where every word owns tokens that are known and spell it."""
        found: list[str] = []
        if self.unaligned:
            cut_off = f", {self.cut_off:,} of them cut off" if self.cut_off else ""
            parts = f", {self.placeless:,} of them parts of multiword tokens that another part stands for: see corpus."
            parts = f"{parts}multiword" if self.placeless else ""
            found.append(f"{_of(self.unaligned, self.words, 'words')} own no token (unaligned{cut_off}{parts})")
        if self.unknown_words:
            found.append(f"{_of(self.unknown_words, self.words, 'words')} are unknown to the tokenizer")
        if self.unknown_tokens:
            found.append(f"{_of(self.unknown_tokens, self.tokens, 'tokens')} are the tokenizer's unknown")
        words_lost = self.unaligned - self.placeless + self.unknown_words
        lost = ((words_lost, self.words), (self.unknown_tokens, self.tokens))
        is_much = any(count >= MUCH * whole > 0 for count, whole in lost)
        said = f"In the {self.name} {'; '.join(found)}."
        if is_much:
            is_cut = 2 * self.cut_off > words_lost
            advice = "Shorter documents lose less" if is_cut else "A model whose tokenizer knows these texts loses less"
            said = f"{WARNING}{said} Results are about the rest. {advice}."
        lines = [said] if found else []
        if self.misspelt:
            lines.append(
                f"{WARNING}the tokens of {_of(self.misspelt, self.texts, self.name)} do not spell the text, so the "
                f"model reads something else there. The first: {self.example}."
            )
        return tuple(lines)


def of_another(name: str, notes: Sequence[str]) -> tuple[str, ...]:
    """The same notes, said of another model or corpus than the run's own."""
    return tuple(f"{WARNING if note.startswith(WARNING) else ''}{name}: {note.removeprefix(WARNING)}" for note in notes)


def fidelity(
    model: HeadModel,
    name: str,
    documents: Sequence[Document],
    encodings: Sequence[Encoding],
    owners: Sequence[Int[np.ndarray, " _"]],
) -> Fidelity:
    """Count what is lost of these documents, whose tokens belong to the words that `owners` say.

    Drawn tokens and pictures never were a text, and of them only words are counted.
    """
    decode, unknown = (model.decode, model.unknown_token) if isinstance(model, Provable) else (_cannot_say, None)
    found = Fidelity(name, texts=len(documents))
    own_name = "" if unknown is None else decode(np.array([unknown])) or ""
    for document, encoding, owner in zip(documents, encodings, owners, strict=True):
        held = np.unique(owner[owner >= 0])
        found.words += len(document.words)
        found.tokens += int((~encoding.special).sum())
        found.unaligned += len(document.words) - len(held)
        end = 1 + int(held.max(initial=-1)) if encoding.truncated else len(document.words)
        found.cut_off += len(document.words) - end
        found.placeless += int((document.spans[:end, 0] < 0).sum())
        is_unknown = _stand_for_unknown(document.text, encoding, unknown, own_name)
        if is_unknown.any():
            found.unknown_tokens += int(is_unknown.sum())
            found.unknown_words += len(held) - len(np.unique(owner[(owner >= 0) & ~is_unknown]))
    pairs = zip(documents, encodings, strict=True)
    written = [(one, tokens) for one, tokens in pairs if one.symbols is None and one.picture is None]
    texts, tokens = [one.text for one, _ in written], [one for _, one in written]
    for (document, _), lost in zip(written, losses(texts, tokens, decode, unknown), strict=True):
        if lost is not None:
            found.misspelt += 1
            found.example = found.example or f"{lost}, in {document.source[:80]!r}"
    return found


def _stand_for_unknown(text: str, encoding: Encoding, unknown: int | None, own_name: str) -> Bool[np.ndarray, " pos"]:
    """The tokens that stand for a text without a token; where the text is the unknown's own name, it has one."""
    found = ~encoding.special & (encoding.tokens == unknown)
    for place in np.flatnonzero(found).tolist():
        start, end = encoding.offsets[place].tolist()
        found[place] = text[start:end].strip() != own_name
    return found


def _of(count: int, whole: int, what: str) -> str:
    return f"{count:,} of {whole:,} {what} ({count / max(whole, 1):.1%})"


def _cannot_say(_tokens: object) -> None:
    return None
