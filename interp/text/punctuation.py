"""Which words are punctuation, and which of those separate sentences and clauses."""

from unicodedata import category

from interp.types import Document

DELIMITERS = frozenset(".,;。，；、،؛।")
"""Full stop, comma and semicolon, and what stands for them in scripts that have their own."""

NO_TAG = "_"
"""What CoNLL-U writes in the place of a tag that is not known."""

_UNIVERSAL = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN SCONJ SYM VERB"
_PENN = (
    "CC CD DT EX FW IN JJ JJR JJS LS MD NN NNS NNP NNPS PDT POS PRP PRP$ RB RBR RBS RP SYM TO UH VB VBD VBG VBN VBP "
    "VBZ WDT WP WP$ WRB ADD AFX $ #"
)
WORD_TAGS = frozenset(f"{_UNIVERSAL} {_PENN}".split())
"""What Universal Dependencies and the Penn Treebank call a word that is no punctuation, whatever its characters."""

_MARK_TAGS = frozenset(("PUNCT", "HYPH", "NFP", *(f"-{side}{kind}B-" for side in "LR" for kind in "RSC")))

NO_MARK, PUNCTUATION, DELIMITER = -1, 0, 1


def is_mark_tag(tag: str) -> bool:
    """Whether a tag is one of punctuation: PUNCT, or one of the Penn Treebank's, which tags `,` as itself.

    Its quotes are tagged `` and '', its brackets -LRB- and -RRB-; its $ and # are of currencies.
    """
    return tag in _MARK_TAGS or (tag not in (NO_TAG, "#") and _are_marks(tag))


def _are_marks(signs: str) -> bool:
    # a grave accent opens a quotation there, and to Unicode is a symbol; a mark may say how to draw the one before
    return all(_is_mark(sign) or (place > 0 and category(sign).startswith("M")) for place, sign in enumerate(signs))


def _is_mark(sign: str) -> bool:
    return category(sign).startswith("P") or sign == "`"


def marks(document: Document) -> list[int]:
    """For every word 1 if it is a delimiter, 0 if it is other punctuation, else -1.

    Punctuation is what is tagged PUNCT. A word without a tag is, if it has punctuation characters alone (Unicode's P,
    and `); where no word is tagged PUNCT, so is every word whose tag is one of punctuation (`is_mark_tag`), and every
    word of such characters whose tag says nothing else (`WORD_TAGS`: % may be a noun).
    """
    tags = document.tags or [NO_TAG] * len(document.words)
    has_tag = "PUNCT" in tags
    return [_mark(word, tag, has_tag) for word, tag in zip(document.words, tags, strict=True)]


def _mark(word: str, tag: str, has_tag: bool) -> int:
    by_tag = has_tag and tag != NO_TAG
    otherwise = is_mark_tag(tag) or (tag not in WORD_TAGS and _are_marks(word))
    if not (tag == "PUNCT" if by_tag else otherwise):
        return NO_MARK
    return DELIMITER if word in DELIMITERS else PUNCTUATION
