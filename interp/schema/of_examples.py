"""The tables of example documents, in which the attention of every head is kept."""

from interp.errors import COUNT
from interp.examples import PLACES
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import HEADS, RUN

DOCUMENT = count("document", "none", "number of the document in the corpus, counted from 0")

EXAMPLES = Table(
    "examples",
    "which documents are shown of every head: those where it attends most, middling and least to its role's targets",
    (
        *(*RUN, *HEADS),
        text("role", "the head's best role; of a head without one, the tested role with the largest lift"),
        Column("assigned", "true or false", "none", "whether the head has that role"),
        text("place", "among the documents that are kept, ranked by mass", PLACES),
        DOCUMENT,
        share("mass", "share of attention", "mean attention of the role's queries in the document on their targets"),
        Column("queries", "whole number", "queries", "words or tokens of the document that have a target", COUNT),
    ),
)
EXAMPLE_DOCUMENTS = Table(
    "example_documents",
    "the documents in which attention is kept (examples.safetensors), in the order in which they were drawn",
    (
        *(*RUN, DOCUMENT),
        text("source", "the source document that it is from, as the corpus names it"),
        text("text", "its text", empty="it is made of drawn tokens"),
        count("words", "words", "words in it"),
        count("tokens", "tokens", "tokens in it, special ones counted"),
    ),
)
EXAMPLE_OFFSETS = Table(
    "example_offsets",
    "attention by distance in the example documents, as the page shows it: a row per head and offset",
    (
        *(*RUN, *HEADS),
        Column("offset", "whole number", "tokens", "from the query to the key; negative: the key comes before it"),
        Column("n", "whole number", "queries", "tokens that have a key at that offset; special ones do not ask", COUNT),
        share("mass", "share of attention", "mean attention on that key"),
    ),
)

TABLES = (EXAMPLES, EXAMPLE_DOCUMENTS, EXAMPLE_OFFSETS)
