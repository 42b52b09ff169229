"""A sentence as a tree of words; reading it from left to right gives the document with its gold."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from interp.types import Document, Mention

Agreement = Literal["feminine", "masculine", "neuter", "plural"]
"""What a pronoun has to agree with."""

INSIDE = frozenset(
    ["det", "det:predet", "nummod", "amod", "compound", "flat", "case", "nmod", "nmod:poss", "acl", "acl:relcl"],
)
"""Relations whose dependents belong to the mention of their governor."""


@dataclass(frozen=True, eq=False)
class Entity:
    """Something a sentence speaks of; two mentions corefer when they hold the same one."""

    kind: str
    agreement: Agreement | None = None


class Node(NamedTuple):
    """A word with its dependents in surface order; a `joined` word follows the one before without a space.

    `entity` makes the phrase a mention of it; `group` makes one of the phrase together with its conjuncts.
    """

    word: str
    tag: str
    relation: str = "root"
    left: tuple["Node", ...] = ()
    right: tuple["Node", ...] = ()
    entity: Entity | None = None
    group: Entity | None = None
    joined: bool = False


class _Row(NamedTuple):
    """One word of the sentence being read off."""

    node: Node
    governor: int


def before(node: Node, *dependents: Node) -> Node:
    """The node with further dependents, left of all it has."""
    return node._replace(left=(*dependents, *node.left))


def after(node: Node, *dependents: Node) -> Node:
    """The node with further dependents, right of all it has."""
    return node._replace(right=(*node.right, *dependents))


def as_relation(node: Node, relation: str) -> Node:
    """The node in another relation to its governor."""
    return node._replace(relation=relation)


def is_plural(node: Node) -> bool:
    """Whether a verb agrees with this noun phrase in the plural."""
    return node.group is not None or (node.entity is not None and node.entity.agreement == "plural")


def referent(node: Node) -> Entity:
    """What a pronoun for the whole phrase refers to: the group where there is one."""
    entity = node.group or node.entity
    if entity is None:
        raise ValueError(f"{node.word!r} does not refer")
    return entity


def document(root: Node, stop: str = ".") -> Document:
    """The sentence with its final punctuation: text, offsets, tags, governors, relations and mentions."""
    rows: list[_Row] = []
    found: list[tuple[int, int, Entity]] = []
    _read(after(as_relation(root, "root"), Node(stop, "PUNCT", "punct", joined=True)), rows, found)
    words = [row.node.word for row in rows]
    words[0] = words[0][0].upper() + words[0][1:]
    spans, text = [], ""
    for word, row in zip(words, rows, strict=True):
        text += "" if row.node.joined or not text else " "
        spans.append((len(text), len(text) + len(word)))
        text += word
    return Document(
        source=text,
        text=text,
        words=tuple(words),
        spans=np.array(spans, dtype=np.int32),
        tags=tuple(row.node.tag for row in rows),
        governors=tuple(row.governor for row in rows),
        relations=tuple(row.node.relation for row in rows),
        mentions=_mentions(found),
    )


def _read(node: Node, rows: list[_Row], found: list[tuple[int, int, Entity]]) -> int:
    """Append the words below `node` to `rows` and its mentions to `found`; returns the position of its own word."""
    heads, start = [], None
    for dependent in node.left:
        begin = len(rows)
        heads.append(_read(dependent, rows, found))
        inside = dependent.relation in INSIDE and dependent.tag != "ADP"
        start = None if not inside else begin if start is None else start
    position = len(rows)
    rows.append(_Row(node, -1))
    start = position if start is None else start
    end, group_end, inside = position + 1, position + 1, True
    for dependent in node.right:
        heads.append(_read(dependent, rows, found))
        inside = inside and dependent.relation in INSIDE
        end = len(rows) if inside else end
        group_end = len(rows) if dependent.relation == "conj" else group_end
    for head in heads:
        rows[head] = rows[head]._replace(governor=position)
    if node.entity is not None:
        found.append((start, end, node.entity))
    if node.group is not None:
        found.append((start, group_end, node.group))
    return position


def _mentions(found: list[tuple[int, int, Entity]]) -> tuple[Mention, ...]:
    """Mentions from left to right, the longer first; entities are numbered as they appear."""
    numbers: dict[int, int] = {}
    ordered = sorted(found, key=lambda mention: (mention[0], -mention[1]))
    return tuple(
        Mention(start, end, numbers.setdefault(id(entity), len(numbers)), entity.kind) for start, end, entity in ordered
    )
