"""What a role's number is, to the letter: the card that a definition id in a table stands for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """A card. Its `id` is `family/name@version`: what is counted never changes under an id, only with a new version.

    `role` is the name, or the form of the names, of the roles that it defines. `formula` is of one head, with A[q, k]
    its attention; `exclusions` are the queries and keys that are left out; `baseline` is what it is held against.
    """

    id: str
    role: str
    family: str
    unit: str
    statistic: str
    formula: str
    exclusions: str
    baseline: str
    source: str
