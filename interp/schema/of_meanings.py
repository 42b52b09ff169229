"""The tables that say what others mean, and the one that holds a run against a paper."""

from interp.errors import COUNT
from interp.schema.form import Column, Table, text
from interp.schema.recurring import FAMILY, NOT_NEGATIVE

DEFINITIONS = Table(
    "definitions",
    "what every role and number is, to the letter: a row per definition",
    (
        text("definition", "its id, family/name@version: under one id what is counted never changes"),
        text("role", "name, or form of the names, of the roles that it defines"),
        FAMILY,
        text("unit", "what queries and keys are: tokens, words, mentions", ("token", "word", "mention")),
        text("statistic", "what it is judged by, or measured in"),
        text("formula", "the number of one head, with A[q, k] its attention from q to k"),
        text("exclusions", "queries and keys that are left out"),
        text("baseline", "what it is held against"),
        text("source", "where it comes from"),
    ),
)
COLUMNS = Table(
    "columns",
    "what every column of every table means: a row per table and column",
    (
        text("table", "name of the table"),
        text("column", "name of the column"),
        text("type", "what its cells are", ("text", "whole number", "number", "true or false")),
        text("unit", "what one is counted or measured in; `none` of names and bare numbers"),
        text("meaning", "what it is"),
        text("allowed", "the only texts, or the range of numbers, that it holds", None, "any"),
        text("empty", "when a cell is empty", None, "never"),
        text("only", "setting that brings the column along", None, "it is always there"),
    ),
)
STUDY = Table(
    "study",
    "a paper's claims beside what this run measured: a row per claim",
    (
        text("claim", "what the paper says"),
        Column("published", "number", "that of the claim", "its number", None, "it gives none that is certain"),
        Column(
            "measured", "number", "that of the claim", "the number of this run", None, "the tables have no row for it"
        ),
        Column(
            "tolerance", "number", "that of the claim", "how far off still passes", NOT_NEGATIVE, "no number to compare"
        ),
        text("verdict", "whether they agree within the tolerance", ("pass", "fail", "not measured", "no number")),
        text("head", "head that was measured, as layer.head", None, "it is not of one head"),
        Column(
            "n",
            "whole number",
            "that of the table",
            "queries or documents that it was measured on",
            COUNT,
            "not of one row",
        ),
        text("source", "where the paper says it"),
        text("note", "what else has to be known, such as errata", None, "nothing"),
    ),
)

TABLES = (DEFINITIONS, COLUMNS, STUDY)
