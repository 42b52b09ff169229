"""The tables of behaviours: prompts, whether a model can answer them, and by what it does."""

from interp.errors import COUNT, Range
from interp.schema.form import Column, Table, count, text
from interp.schema.recurring import MODEL, SEED, interval_of

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
TABLES = (ABILITY, PROMPTS)
