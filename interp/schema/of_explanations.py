"""The tables of what heads' attention is made of."""

from interp.errors import COUNT, SHARE, Range
from interp.schema.form import Column, Table, share, text
from interp.schema.recurring import DEFINITION, FEW_BLOCKS, HEADS, NOT_NEGATIVE, RUN, interval_of

UP_TO_ONE = Range(False, float("-inf"), 1)
_RULE = text("rule", "the rule: cells among which it spreads attention evenly")
_FAMILY = text(
    "family",
    "family of the rule: uniform, special, position, lexical, copying, tag, syntax, coreference; of a role of one's "
    "own (explain.roles) that of the role",
)
_QUERIES = Column(
    "n", "whole number", "queries", "words (explain.unit=token: tokens) of the held-out split that ask", COUNT
)
_EXPLAINED = "share of what there is to explain"
_EVEN = "its attention is even: there is nothing to explain"

_OF_RULES = Column(
    "explained",
    "number",
    _EXPLAINED,
    "cross-entropy of even attention less that of the rules, over the same less the entropy: 1 is as well as any model "
    "could, 0 no better than even attention",
    UP_TO_ONE,
    _EVEN,
)

EXPLANATIONS = Table(
    "explanations",
    "how much of every head's attention competing rules explain: a row per head",
    (
        *RUN,
        *HEADS,
        DEFINITION,
        _QUERIES,
        _OF_RULES,
        *interval_of("that", _EXPLAINED, UP_TO_ONE),
        Column("entropy", "number", "nats per query", "mean entropy of its attention over cells", NOT_NEGATIVE),
        Column("uniform", "number", "nats per query", "cross-entropy of even attention over cells", NOT_NEGATIVE),
        Column("left", "number", "nats per query", "cross-entropy of the rules less the entropy", NOT_NEGATIVE),
        share("outside", "share of attention", "attention on tokens that belong to no cell, left out before"),
        Column("steps", "whole number", "steps", "after how many the strengths stood", Range(True, 0)),
        text("card", "the rules that explain it best, one after the other, with their shares"),
    ),
)
SHARES = Table(
    "shares",
    "what every rule accounts for of a head's attention, which adds up to 1: a row per head and rule",
    (
        *RUN,
        *HEADS,
        DEFINITION,
        _RULE,
        _FAMILY,
        Column(
            "n",
            "whole number",
            "queries",
            "words or tokens of the held-out split that it names a cell for",
            Range(True, 0),
        ),
        share("strength", "none", "its strength where rules compete; those of a head add up to 1"),
        share("share", "share of attention", "attention on the held-out split that it is responsible for"),
        *(
            one._replace(empty=f"a share below .01, or {FEW_BLOCKS}")
            for one in interval_of("the share", "share of attention", SHARE)
        ),
        share("share_where_applies", "share of attention", "the same per query that it names a cell for", "n is 0"),
    ),
)
ADDS = Table(
    "adds",
    "what a family of rules adds to all others: a row per head, family and null",
    (
        *RUN,
        *HEADS,
        DEFINITION,
        _FAMILY._replace(meaning="the family without which strengths are fitted anew"),
        text(
            "null",
            "`permuted_gold`: relations and chains moved to other words; `shuffled_rows`: each row of attention "
            "shuffled among its visible keys",
            ("none", "permuted_gold", "shuffled_rows"),
        ),
        _QUERIES,
        Column("adds", "number", _EXPLAINED, "explained with the family less explained without", UP_TO_ONE, _EVEN),
        *interval_of("that", _EXPLAINED, UP_TO_ONE),
        share("p", "none", "of its being above zero: sign flips of blocks of documents", FEW_BLOCKS),
        share("q", "none", "p adjusted over the heads (Benjamini–Hochberg), within family and null", FEW_BLOCKS),
    ),
)
CARDS = Table(
    "cards",
    "the rules that explain a head best, chosen one after the other on the discovery split: a row per head and rule",
    (
        *RUN,
        *HEADS,
        Column("place", "whole number", "none", "1 for the first that was chosen", Range(True, 1, 5)),
        _RULE,
        _FAMILY,
        share("share", "share of attention", "its share on the held-out split, in the model of the card alone"),
        Column("explained_select", "number", _EXPLAINED, "explained with it and those before it, on select", UP_TO_ONE),
    ),
)
NULL_EXPLANATIONS = Table(
    "null_explanations",
    "what the same rules, fitted anew, explain of attention that is none of the head's own: a row per head and null",
    (
        *RUN,
        *HEADS,
        text("null", "`shuffled_rows`: each row of attention shuffled among its visible keys", ("shuffled_rows",)),
        DEFINITION,
        _QUERIES,
        _OF_RULES,
        *interval_of("that", _EXPLAINED, UP_TO_ONE),
    ),
)
TABLES = (EXPLANATIONS, SHARES, ADDS, CARDS, NULL_EXPLANATIONS)
