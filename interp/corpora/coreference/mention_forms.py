"""What the form of a mention says of it: pronoun, proper or nominal; its gender and its number where they are certain.

The pronouns are a closed list. What is not certain from the words (`you`, `who`, a name) stays None.
"""

from collections.abc import Sequence

from interp.corpora.coreference.head_words import before_postmodifier
from interp.types import Mention

KINDS = ("pronoun", "proper", "nominal")
"""The forms of a mention, as Clark et al. (2019, section 4.3) report them apart."""

_FORMS = {
    ("masculine", "singular"): "he him his himself",
    ("feminine", "singular"): "she her hers herself",
    ("neuter", "singular"): "it its itself",
    (None, "singular"): "i me my mine myself yourself thyself this that",
    (None, "plural"): "we us our ours ourselves yourselves they them their theirs themselves these those",
    (None, None): "you your yours thou thee thy thine ye who whom whose which",
}
PRONOUNS = {form: agreement for agreement, forms in _FORMS.items() for form in forms.split()}
"""Gender and number of every pronoun, in lower case: personal, possessive, reflexive, relative and demonstrative."""

# a mention of one word that Universal Dependencies call a determiner is a possessive or a demonstrative
_PRONOUN_TAGS = ("PRP", "PRP$", "WP", "WP$", "PRON", "DET")
# Universal Dependencies' tags say nothing of number
_PROPER_TAGS = ("NNP", "NNPS", "PROPN")
_NUMBER_OF_TAG = {"NN": "singular", "NNP": "singular", "NNS": "plural", "NNPS": "plural"}
_CONJUNCTIONS = {"CC", "CCONJ"}


def described(
    words: Sequence[str],
    start: int,
    end: int,
    entity: int,
    *,
    tags: Sequence[str] | None = None,
    opening: frozenset[int] = frozenset(),
    lower: frozenset[str] = frozenset(),
    head: int | None = None,
) -> Mention:
    """The words from `start` to `end` as a mention with its kind, gender and number.

    A pronoun is one word of the list, or one that is tagged so. Proper is what has a proper noun as its `head` word, by
    default the one before its first postmodifier (`interp.corpora.coreference.head_words`: `the kings of France` are no
    name): by its tag or, where there are none, by its capital, which says nothing of the words that are `opening` a
    sentence unless the document never writes them in `lower` case. Everything else is nominal. The head word's tag
    gives the number, unless a conjunction anywhere in the mention may make it several.
    """
    first = words[start].lower()
    if end == start + 1 and (first in PRONOUNS or (tags is not None and tags[start] in _PRONOUN_TAGS)):
        return Mention(start, end, entity, "pronoun", *PRONOUNS.get(first, (None, None)))
    head = before_postmodifier(words, start, end, tags) if head is None else head
    if tags is None:
        is_name = words[head][:1].isupper() and not (head in opening and words[head].lower() in lower)
        return Mention(start, end, entity, "proper" if is_name else "nominal")
    kind = "proper" if tags[head] in _PROPER_TAGS else "nominal"
    number = None if _CONJUNCTIONS & set(tags[start:end]) else _NUMBER_OF_TAG.get(tags[head])
    return Mention(start, end, entity, kind, number=number)


def opening_words(words: Sequence[str], starts: Sequence[int]) -> frozenset[int]:
    """The first word of each sentence that has a letter or a digit in it; sentences begin at `starts`."""
    opening = set()
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        first = next((place for place in range(start, end) if any(map(str.isalnum, words[place]))), None)
        if first is not None:
            opening.add(first)
    return frozenset(opening)
