"""The tables that describe heads, whatever their roles: weights, shape, tags, copying scores, and the atlas of all."""

from interp.errors import COUNT, SHARE, Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import (
    ABLATION,
    DEFINITION,
    DOCUMENTS,
    EFFECT,
    EFFECT_HIGH,
    EFFECT_LOW,
    EFFECT_P,
    EFFECT_Q,
    FAMILY,
    FEW_BLOCKS,
    HEADS,
    LIFT,
    METRIC,
    MODEL,
    NO_ROLE,
    NOT_FINITE,
    NOT_NEGATIVE,
    ROLE,
    RUN,
    SEED,
    SIGNED_SHARE,
    ends_of,
    interval_of,
)

UP_TO_ONE = Range(False, float("-inf"), 1)
NO_BRIEF = "its attention is even, or too little text has words that ask"

ATLAS = Table(
    "atlas",
    "roles and effect of every head, and whether they agree: a row per head",
    (
        *RUN,
        *HEADS,
        text("roles", "all its roles, joined by semicolons", None, NO_ROLE),
        count("n_roles", "roles", "how many these are"),
        ROLE._replace(
            name="best_role",
            meaning="its role of largest lift that is not first, self or separator, if there is one; `unclassified` "
            "without a role",
        ),
        FAMILY._replace(name="best_family", meaning="family of that role; `unclassified` without a role"),
        LIFT._replace(
            name="best_lift",
            meaning="lift of that role on the held-out split; without a role the largest of any tested one",
            empty="no role could be tested of it",
        ),
        METRIC._replace(meaning=f"the first metric of the run; {METRIC.meaning}"),
        *(ABLATION, DOCUMENTS, EFFECT, EFFECT_LOW, EFFECT_HIGH, EFFECT_P, EFFECT_Q),
        Column("entropy", "number", "nats", "mean entropy of its attention, over queries", NOT_NEGATIVE, NOT_FINITE),
        Column(
            "mean_distance",
            "number",
            "tokens",
            "mean distance from query to key, weighted by attention",
            NOT_NEGATIVE,
            NOT_FINITE,
        ),
        share("null_attention", "share of attention", "mean attention on the first token", NOT_FINITE),
        Column(
            "explained",
            "number",
            "share of what there is to explain",
            "how much rules explain of its attention from words, on explain.limit documents (docs/explain.md)",
            UP_TO_ONE,
            NO_BRIEF,
        ),
        *(
            one._replace(name=name, empty=f"{NO_BRIEF}, or {one.empty}")
            for name, one in zip(
                ("explained_low", "explained_high"),
                interval_of("that", "share of what there is to explain", UP_TO_ONE),
                strict=True,
            )
        ),
        text("first_rule", "the one rule that explains most of it", None, f"no rule explains .01 of it, or {NO_BRIEF}"),
        *(
            Column(name, "number", "nats", meaning, None, empty, only="corpus=behaviour")
            for name, meaning, empty in (
                ("direct", "what it writes towards the right answer at the last position: as in attribution", ""),
                ("direct_low", "lower end of its 95 % interval (direct)", FEW_BLOCKS),
                ("direct_high", "upper end of its 95 % interval (direct)", FEW_BLOCKS),
            )
        ),
        text(
            "agreement",
            "whether it has a role and matters (its effect's interval above 0 and above the median head's effect)",
            ("role and effect", "role only", "effect only", "neither", "untested"),
        ),
    ),
)

# what heads are made of

NO_POSITIONS = "the model has no absolute positions that are known, or the head is at site cross"
NO_LINE = "a head between two streams that no embedding joins (copying_space none)"
ELSEWHERE = "no token of the corpus can see such a key, or the site has no such place"


def _place(name: str, what: str) -> tuple[Column, Column]:
    plain = Column(name, "number", "share of attention", f"mean attention on {what}", SHARE, ELSEWHERE)
    return plain, plain._replace(
        name=f"{name}_by_norm",
        unit="share of norm",
        meaning=f"the same, of attention weighted by the norm of what it brings ({name})",
    )


_MATRICES = {"query": "W_Q", "key": "W_K", "value": "W_V", "output": "W_O"}
_WRITTEN = Column(
    "written",
    "number",
    "length in the residual stream",
    "mean norm of what it writes",
    NOT_NEGATIVE,
    "it attends from no token",
)
_SHARE = Column(
    "share",
    "number",
    "share of the layer's output",
    "mean of ⟨c, Σc⟩ / ‖Σc‖²: its part of what its layer writes; negative where it writes against it",
    None,
    "it attends from no token",
)
ANATOMY = Table(
    "anatomy",
    "what every head's weights say, and what it writes on the corpus: a row per head",
    (
        *RUN,
        *HEADS,
        *(
            Column(f"{name}_norm", "number", "of weights", f"Frobenius norm of its {matrix}", NOT_NEGATIVE)
            for name, matrix in _MATRICES.items()
        ),
        Column("qk_norm", "number", "of weights", "Frobenius norm of W_Q W_Kᵀ", NOT_NEGATIVE),
        Column("ov_norm", "number", "of weights", "Frobenius norm of W_V W_O", NOT_NEGATIVE),
        Column("qk_rank", "number", "dimensions", "effective rank of W_Q W_Kᵀ (Roy & Vetterli 2007)", NOT_NEGATIVE),
        Column("ov_rank", "number", "dimensions", "effective rank of W_V W_O", NOT_NEGATIVE),
        Column(
            "copying",
            "number",
            "none",
            "Σ Re λ / Σ |λ| of its OV circuit: 1 copies what it attends to, −1 suppresses it",
            SIGNED_SHARE,
            NO_LINE,
        ),
        text(
            "copying_space",
            "where that is seen: from vocabulary to vocabulary, or in the residual stream",
            ("vocabulary", "residual", "none"),
        ),
        share(
            "position_previous",
            "share of attention",
            "attention on the token before, if tokens were nothing but their positions",
            NO_POSITIONS,
        ),
        Column(
            "position_offset",
            "whole number",
            "tokens",
            "the offset, −3 to +3, that then gets most",
            Range(True, -3, 3),
            NO_POSITIONS,
        ),
        share("position_mass", "share of attention", "attention that it then gets", NO_POSITIONS),
        count("n", "tokens", "tokens that it attends from"),
        *(_WRITTEN, *ends_of(_WRITTEN, low="ci_low", high="ci_high")),
        *(_SHARE, *ends_of(_SHARE, low="ci_low", high="ci_high")),
        *_place("previous", "the token before"),
        *_place("self", "the token itself"),
        *_place("first", "the first token"),
        *_place("separator", "special tokens after the first"),
        *_place("diagonal", "the source token as far into its text as the query into its own (site cross)"),
        *_place("source_first", "the first source token (site cross)"),
        *_place("source_end", "the source's end token (site cross)"),
        *_place("aligned", "the source words that the query's word is aligned with (site cross)"),
    ),
)

# numbers under the id of their definition

VALUE = Column(
    "value",
    "number",
    "that of the definition",
    "the number, as its card defines it (table `definitions`)",
    None,
    NOT_FINITE,
)
VALUE_ENDS = interval_of("that number", VALUE.unit, empty=f"{FEW_BLOCKS}; or the number has no interval")
SHAPE = Table(
    "shape",
    "what attention is like, whatever it is on (entropy, distance, rest, kernel): a row per definition and head",
    (
        *RUN,
        *(DEFINITION, *HEADS),
        Column("n", "whole number", "queries or documents", "what the number is a mean over, as its card says", COUNT),
        *(VALUE, *VALUE_ENDS),
    ),
)
KERNEL = Table(
    "kernel",
    "attention by distance: a row per head and offset of the key from the query",
    (
        *RUN,
        *(DEFINITION, *HEADS),
        Column("offset", "whole number", "tokens", "key minus query: −1 is the token before"),
        Column("n", "whole number", "queries", "queries that can see such a key", COUNT),
        share("value", "share of attention", "mean attention on that key", NOT_FINITE),
        *interval_of("that mean", "share of attention", SHARE),
    ),
)
_TAG_SHARE = "share of attention on words"
TAGS = Table(
    "tags",
    "from which parts of speech to which: a row per head, tag that attends and tag attended to",
    (
        *RUN,
        *(DEFINITION, *HEADS),
        text("from_tag", "part of speech of the words that attend; `any`: all words"),
        text("to_tag", "part of speech of the words attended to"),
        Column("n", "whole number", "words", "words that attend", COUNT),
        share("mass", "share of attention", "mean attention on words of to_tag", NOT_FINITE),
        share("word_mass", "share of attention", "mean attention on all candidate words", NOT_FINITE),
        share("share", _TAG_SHARE, "what words of to_tag get of it", NOT_FINITE),
        share("expected", _TAG_SHARE, "what they would get from attention spread evenly over tokens"),
        Column("excess", "number", _TAG_SHARE, "share minus expected", SIGNED_SHARE, NOT_FINITE),
        *interval_of("the excess", _TAG_SHARE, SIGNED_SHARE),
    ),
)

# scores of copying

COPYING = Table(
    "copying",
    "every published score of copying: a row per definition and head",
    (*RUN, DEFINITION, ROLE, *HEADS, DOCUMENTS._replace(meaning="documents that repeat"), VALUE, *VALUE_ENDS),
)
THRESHOLD = share("threshold", "that of the scores", "score from which a head counts as one")
COPYING_SPREAD = Table(
    "copying_spread",
    "how far the scores of one head lie apart: a row per role and head",
    (
        *RUN,
        *(ROLE, *HEADS),
        Column("lowest", "number", "that of the scores", "its lowest score"),
        DEFINITION._replace(name="lowest_definition", meaning="id of the definition that gives it"),
        Column("highest", "number", "that of the scores", "its highest score"),
        DEFINITION._replace(name="highest_definition", meaning="id of the definition that gives it"),
        Column("spread", "number", "that of the scores", "highest minus lowest", NOT_NEGATIVE),
        Column("variants", "whole number", "definitions", "definitions by which it has a score", COUNT),
        count("above", "definitions", "those by which it reaches the threshold"),
        Column("flips", "true or false", "none", "whether it does by some and not by others"),
        THRESHOLD,
    ),
)
COPYING_AGREEMENT = Table(
    "copying_agreement",
    "how far two scores agree over heads: a row per role and pair of definitions",
    (
        *RUN,
        ROLE,
        DEFINITION._replace(name="first", meaning="id of the one definition"),
        DEFINITION._replace(name="second", meaning="id of the other"),
        count("heads", "heads", "heads that have both scores"),
        Column(
            "mean_difference", "number", "that of the scores", "first minus second, mean over heads", None, "no head"
        ),
        Column("largest_difference", "number", "that of the scores", "largest difference of a head", NOT_NEGATIVE),
        Column(
            "rank_correlation",
            "number",
            "none",
            "Spearman's correlation over heads",
            SIGNED_SHARE,
            "one of the two is the same for all heads",
        ),
        count("flips", "heads", "heads that reach the threshold by one and not by the other"),
        THRESHOLD,
    ),
)

# one sentence

QUERY = count("query", "none", "place of the word that attends, counted from 0")
ATTENTION = Table(
    "attention",
    "where each word of one sentence attends: a row per head, word that attends and word that it can see",
    (
        *(MODEL, SEED, *HEADS, QUERY),
        text("query_word", "that word"),
        count("key", "none", "place of the word attended to, counted from 0"),
        text("key_word", "that word"),
        share(
            "mass",
            "share of attention",
            "attention from the one to the other: summed over the tokens of the key, averaged over those of the query",
        ),
        share(
            "modelled",
            "share of attention",
            "what the rules of experiment=explain that apply here give the key, with the strengths of that run for "
            "this head: m(k|q). Over all that the query sees, itself and special tokens too (they have no row), it "
            "adds up to 1, as mass does where every token belongs to a word or is special",
            "attention across two texts, or no rule of any strength applies to the query",
        )._replace(only="explained_by=RUN"),
    ),
)
CANDIDATES = Table(
    "candidates",
    "where the word that is asked about attends, among the candidates: a row per head and candidate",
    (
        *(MODEL, SEED, *HEADS, QUERY._replace(meaning="place of the word that is asked about, counted from 0")),
        count("candidate", "none", "place of the candidate, counted from 0"),
        text("candidate_word", "that word"),
        share("mass", "share of attention", "attention from the query to the candidate"),
    ),
)

TABLES = (
    *(ATLAS, ANATOMY, SHAPE, KERNEL, TAGS),
    *(COPYING, COPYING_SPREAD, COPYING_AGREEMENT, ATTENTION, CANDIDATES),
)
