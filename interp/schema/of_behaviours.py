"""The tables of behaviours: prompts, whether a model can answer them, and by what it does."""

from interp.errors import COUNT, Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import CORPUS, FEW_BLOCKS, HEAD, HEADS, LAYER, MODEL, SEED, SIGNED_SHARE, SITE, interval_of

BEHAVIOUR = text("behaviour", "name of the behaviour")
RUN = (MODEL, BEHAVIOUR, SEED)
PROMPTS_ASKED = Column("n", "whole number", "prompts", "prompts of the behaviour that the model can read", COUNT)
METRICS = ("logit_difference", "log_prob", "accuracy")
METRIC = text(
    "metric",
    "at the last position of the text: logit of the right answer less that of the wrong one, log-probability of the "
    "right one, or whether the right one has the larger logit",
    METRICS,
)
PLACES = {
    "indirect": "ioi: the name that is said once",
    "subject": "ioi, agreement: the other name, where it is first said; the noun that the verb agrees with",
    "again": "ioi: that name, where it is said again",
    "attractor": "agreement: the noun of the other number between subject and verb",
    "first_year": "greater_than: the last digit of the first year that decides",
    "before": "induction: the first occurrence of the last word",
    "answer": "induction: the right answer, after that occurrence",
    "wrong_answer": "induction: the wrong answer in the list",
    "pronoun": "pronoun: the pronoun",
    "antecedent": "pronoun: the candidate that it stands for, the right answer",
    "other_candidate": "pronoun: the candidate that it does not stand for, the wrong answer",
    "last_item": "successor: the last item of the sequence that is said",
}
"""Named positions of the project's own behaviours."""
TOKENS = Range(True, -1)

ABILITY = Table(
    "ability",
    "whether the model can do what the behaviour asks: a row per text and metric",
    (
        *RUN,
        text("text", "the prompt's text, or the corrupted one in its place", ("clean", "corrupted")),
        METRIC,
        PROMPTS_ASKED,
        Column("value", "number", "nats (accuracy: share of prompts)", "mean of the metric over prompts"),
        *interval_of("that, over blocks of prompts", "nats (accuracy: share of prompts)"),
        Column("chance", "number", "that of value", "what a model has that knows nothing", None, "metric is log_prob"),
    ),
)
PROMPTS = Table(
    "prompts",
    "every prompt as it was asked, so that anyone can compute again: a row per prompt",
    (
        *RUN,
        count("prompt", "none", "number of the prompt"),
        text("template", "the template that it is made of"),
        text("text", "what the model reads; the answer comes after its last token"),
        text("right", "the right answer, one token as it continues the text"),
        text("wrong", "the wrong answer, one token as it continues the text"),
        text("corrupted", "a text of as many tokens after which nothing speaks for the right answer"),
        text("source", "what it shares with other prompts: template and words; by its hash, the block"),
        count("block", "none", "block of that source"),
        *(
            Column(
                name,
                "whole number",
                "tokens",
                f"position of a token, from 0: {what}",
                TOKENS,
                only=what.partition(":")[0],
            )
            for name, what in PLACES.items()
        ),
        count("end", "tokens", "position of the last token of the text"),
    ),
)
NATS = "nats"
_SUMMED = "mean over prompts of what it adds to logit(right) − logit(wrong); {} add up to the mean logit difference"
ATTRIBUTION = Table(
    "attribution",
    "the logit difference as a sum of what every component writes: a row per component",
    (
        *RUN,
        text(
            "component",
            "what writes: token embeddings, absolute positions, a head, the bias of a layer's attention, an MLP, the "
            "bias of the final norm, that of the language head",
            ("embedding", "position", "head", "attention_bias", "mlp", "norm_bias", "unembedding_bias"),
        ),
        SITE,
        *(
            one._replace(meaning=f"{one.meaning}; −1 where the component has none", allowed=Range(True, -1))
            for one in (LAYER, HEAD)
        ),
        PROMPTS_ASKED,
        Column("value", "number", NATS, _SUMMED.format("all rows")),
        *interval_of("value, over blocks of prompts", NATS),
        share("p", "none", "of its being other than zero: two-sided sign flips of blocks of prompts", FEW_BLOCKS),
        share("q", "none", "p adjusted over the components (Benjamini–Hochberg)", FEW_BLOCKS),
    ),
)
ATTRIBUTION_BY_KEY = Table(
    "attribution_by_key",
    "what every head adds because of the position it attends to from the last: a row per head and position",
    (
        *RUN,
        *HEADS,
        text("key", "named position of the prompts (table `prompts`); `elsewhere`: all others together"),
        PROMPTS_ASKED._replace(meaning="prompts that have this position", allowed=Range(True, 0)),
        Column("value", "number", NATS, _SUMMED.format("all rows of all heads, biases and MLPs"), None, "n is 0"),
        *interval_of("value, over blocks of prompts", NATS),
    ),
)
MEASURES_OF_HEADS = ("best_lift", "direct", "effect")
MEASURES = Table(
    "measures",
    "how far what heads attend to, write and cause rank them alike: a row per two of these",
    (
        MODEL,
        CORPUS,
        SEED,
        text("first", "a column of the atlas", MEASURES_OF_HEADS),
        text("second", "another; beside best_lift its size is ranked", MEASURES_OF_HEADS),
        Column("heads", "whole number", "heads", "heads that have both", Range(True, 0)),
        Column(
            "rank_correlation", "number", "none", "Spearman's, over heads", SIGNED_SHARE, "fewer than two such heads"
        ),
        *interval_of("that, over blocks of prompts", "none", SIGNED_SHARE),
        text("parting", "the heads whose ranks are furthest apart, 1 being the largest", None, "as above"),
    ),
)
TABLES = (MEASURES, ATTRIBUTION, ATTRIBUTION_BY_KEY, ABILITY, PROMPTS)
