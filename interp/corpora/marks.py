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

NO_MARK, PUNCTUATION, DELIMITER = -1, 0, 1


def marks(document: Document) -> list[int]:
    """For every word 1 if it is a delimiter, 0 if it is other punctuation, else -1.

    Punctuation is what is tagged PUNCT. A word without a tag is, if it has punctuation characters alone (Unicode's P);
    where no word is tagged PUNCT, so is every such word whose tag says nothing else (`WORD_TAGS`: % may be a noun).
    """
    tags = document.tags or [NO_TAG] * len(document.words)
    has_tag = "PUNCT" in tags
    return [_mark(word, tag, has_tag) for word, tag in zip(document.words, tags, strict=True)]


def _mark(word: str, tag: str, has_tag: bool) -> int:
    by_tag = has_tag and tag != NO_TAG
    by_letters = tag not in WORD_TAGS and all(category(letter).startswith("P") for letter in word)
    if not (tag == "PUNCT" if by_tag else by_letters):
        return NO_MARK
    return DELIMITER if word in DELIMITERS else PUNCTUATION
