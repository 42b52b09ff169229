"""The head word of a mention where no tree says it: what stands before its first postmodifier.

In English a noun comes after its articles and adjectives and before its prepositional phrases and relative clauses.
Names are no exception: the head of `University of California` is `University`, as a tree says, too. Where there are
tags it is the last noun there, as in the usual rules for the heads of noun phrases. What stands before a
possessive is not told apart: of `the king of Spain 's daughter` the head found is `king`.
"""

from collections.abc import Sequence
from itertools import accumulate
from operator import or_


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PREPOSITIONS = _words(
    "of in on at for with from by to upon within without into onto among amongst amid between about above over under "
    "below beneath behind before after beside besides beyond near since until till out during through throughout "
    "against toward towards across along around like unlike as up except despite concerning regarding"
)
RELATIVES = _words("who whom whose which that where when while whence whereby wherein why")
BREAKS = _words("( [ { -- --- – — : ;")
OPENERS = PREPOSITIONS | RELATIVES | BREAKS
"""The words that begin a postmodifier, in lower case, where there are no tags."""

DETERMINERS = _words("the a an my thy your his her its our their")
AFTER_COMMA = DETERMINERS | {"one", "all", "both", "each"}
"""What follows a comma that ends a noun (`the town , a port`); after others an adjective does (`a tall , dark man`)."""

NOUN_TAGS = _words("NN NNS NNP NNPS NOUN PROPN")
OPENING_TAGS = _words("IN TO WDT WP WP$ WRB ADP SCONJ")
"""Penn Treebank's and Universal Dependencies' tags of what begins a postmodifier."""

TAGS_AFTER_NOUN = _words("VB VBD VBG VBN VBP VBZ MD PRP PRON VERB AUX")
WORDS_AFTER_NOUN = _words(", than as")
"""What begins one after a noun only: `the man seen there`, but `a broken , old chair` and `more than ten men`."""

NEVER_HEADS = PREPOSITIONS | DETERMINERS | _words("and or nor but 's ’s")


def before_postmodifier(words: Sequence[str], start: int, end: int, tags: Sequence[str] | None = None) -> int:
    """The head word of the words from `start` to `end`, by `tags` (Penn Treebank's or Universal) or by closed lists.

    The last noun before the first postmodifier; where there is none, or no tag, the last word there with a letter or a
    digit that is no article, preposition, conjunction or possessive 's. Where nothing is left, the last word of all.
    """
    able = [_may_be_head(words[place], None if tags is None else tags[place]) for place in range(start, end)]
    nouns = [tags is not None and tags[place] in NOUN_TAGS for place in range(start, end)]
    # a mention that begins with such a word (`about ten men`, `those who left`) is not ended by it
    begun, after_noun = accumulate(able, or_), accumulate(nouns, or_)
    stops = (
        place
        for place, can_end, noun in zip(range(start + 1, end), begun, after_noun, strict=False)
        if can_end and (_ends_words(words, place, end) if tags is None else _ends_tags(words, tags, place, noun))
    )
    size = next(stops, end) - start
    for fitting in (nouns[:size], able[:size], able):
        if any(fitting):
            return start + max(place for place, fits in enumerate(fitting) if fits)
    return end - 1


def _may_be_head(word: str, tag: str | None) -> bool:
    lower = word.lower()
    return tag != "POS" and any(map(str.isalnum, word)) and lower not in NEVER_HEADS


def _ends_words(words: Sequence[str], place: int, end: int) -> bool:
    if words[place] != ",":
        return words[place].lower() in OPENERS
    # of names every comma ends one; of other nouns, where no adjective can follow
    return words[place - 1][:1].isupper() or (place + 1 < end and words[place + 1].lower() in AFTER_COMMA)


def _ends_tags(words: Sequence[str], tags: Sequence[str], place: int, after_noun: bool) -> bool:
    word, tag = words[place].lower(), tags[place]
    if word in WORDS_AFTER_NOUN or tag in TAGS_AFTER_NOUN:
        # pronouns of Universal Dependencies may be relative, and then follow any word: `those who left`
        return after_noun or (tag == "PRON" and word in RELATIVES)
    return tag in OPENING_TAGS or word in BREAKS or word == "to"
