"""What a pass over a corpus leaves behind: sums per block of documents, and nothing else.

Intervals, p-values, disjoint halves, merging and resuming all follow from these arrays; their size does not
depend on the corpus.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class RoleLabel:
    """The part of a role that statistics need: no tensors, no targets."""

    name: str
    family: str
    unit: Literal["token", "word", "mention"]
    statistic: Literal["hit", "mass"]
    definition: str
    baselines: tuple[str, ...]

    @property
    def asks_word_mass(self) -> bool:
        """Whether a head must spend some attention on the candidates to have the role: hits over words or mentions.

        Whoever spends next to none on them still prefers one. Over tokens that share is not measured.
        """
        return self.statistic == "hit" and self.unit != "token"


@dataclass(frozen=True, eq=False)
class RoleSums:
    """Block sums of every role and head over one corpus.

    `n[r, b]` counts the scored queries of role r in block b. `hit`, `mass` and `word_mass` are sums over them
    (word_mass: attention on all candidates; NaN for token roles). `baseline[r, g, b]` sums the credit of baseline
    `baselines[g]` on the same queries; a baseline that a role does not use is NaN there.

    Where heads see different keys (another site, another window) the same role asks them different queries: then it
    stands here several times, once for each such group of heads, and `applies_to[r, h]` says whom a row is about.
    """

    roles: tuple[RoleLabel, ...]
    heads: tuple[tuple[str, int, int], ...]
    baselines: tuple[str, ...]
    n: Int[np.ndarray, "role block"]
    hit: Float[np.ndarray, "role head block"]
    mass: Float[np.ndarray, "role head block"]
    word_mass: Float[np.ndarray, "role head block"]
    baseline: Float[np.ndarray, "role baseline block"]
    applies_to: Bool[np.ndarray, "role head"] | None = None
    """None: every role of every head."""
    annotation_baselines: tuple[str, ...] = ()
    """Those that stand beside the baseline and decide nothing (`interp.roles.annotation_baselines`)."""
    annotation: Float[np.ndarray, "role harder block"] | None = None
    """Their credit on the same queries, NaN where a role is not held against one; None where there are none."""

    @property
    def applies(self) -> Bool[np.ndarray, "role head"]:
        """Whether a row of the sums is about a head."""
        return np.ones(self.hit.shape[:2], dtype=bool) if self.applies_to is None else self.applies_to

    def merge(self, other: "RoleSums") -> "RoleSums":
        """The sums of two disjoint parts of a corpus, together."""
        mine, theirs = (self.roles, self.heads, self.baselines), (other.roles, other.heads, other.baselines)
        same = mine == theirs and self.annotation_baselines == other.annotation_baselines
        if not same or not np.array_equal(self.applies, other.applies):
            raise ValueError("only sums of the same roles, heads and baselines can be merged")
        parts = {
            name: getattr(self, name) + getattr(other, name) for name in ("n", "hit", "mass", "word_mass", "baseline")
        }
        annotation = None if self.annotation is None or other.annotation is None else self.annotation + other.annotation
        return RoleSums(
            *mine,
            **parts,
            applies_to=self.applies_to,
            annotation_baselines=self.annotation_baselines,
            annotation=annotation,
        )


@dataclass(frozen=True, eq=False)
class EffectSums:
    """Block sums of one ablation and metric: per document, and weighted by each document's scored tokens.

    `left_out` counts the documents that have no value, such as a single token for `log_prob`.
    """

    ablation: str
    metric: str
    signed: bool
    heads: tuple[tuple[str, int, int], ...]
    n: Int[np.ndarray, " block"]
    tokens: Int[np.ndarray, " block"]
    intact: Float[np.ndarray, " block"]
    ablated: Float[np.ndarray, "head block"]
    effect: Float[np.ndarray, "head block"]
    effect_by_token: Float[np.ndarray, "head block"]
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class PruningSums:
    """Block sums of one metric while more and more heads are ablated together, in several orders.

    `orders` are (name, seed), the seed `None` unless the order is random. `value[o, s, b]` sums the metric with the
    first `removed[s]` heads of order o ablated: none at the first step, all `heads` at the last. `alone[o, s, b]`
    sums what each of these heads costs when it alone is ablated, on the same documents.
    """

    ablation: str
    metric: str
    orders: tuple[tuple[str, int | None], ...]
    heads: int
    removed: Int[np.ndarray, " step"]
    n: Int[np.ndarray, " block"]
    value: Float[np.ndarray, "order step block"]
    alone: Float[np.ndarray, "order step block"]
    left_out: int = 0


class KeptChoice(NamedTuple):
    """Which heads are kept, in words: by what they were chosen, and how many they are.

    `chosen_by` is gates, effect or random; all and none stand for themselves, and have no strength. A `draw` is random.
    """

    chosen_by: str
    strength: float | None
    gate_seed: int | None
    draw: int | None
    heads_kept: int


@dataclass(frozen=True, eq=False)
class KeptSums:
    """Block sums of one metric with some of the `heads` kept and all others ablated together.

    `value[c, b]` sums the metric over the `n[b]` documents of block b, with the heads of choice c kept.
    """

    ablation: str
    metric: str
    heads: int
    choices: tuple[KeptChoice, ...]
    n: Int[np.ndarray, " block"]
    value: Float[np.ndarray, "choice block"]
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class TrainedGates:
    """The gates of all heads after one training: its strength λ and seed, and what it went through.

    `gate` is 0 to 1, without noise. `value` is the metric on the documents of each step, under sampled gates, and
    `expected_open` the expected number of gates above 0 at its beginning.
    """

    strength: float
    seed: int
    log_alpha: Float[np.ndarray, " head"]
    gate: Float[np.ndarray, " head"]
    value: Float[np.ndarray, " step"]
    expected_open: Float[np.ndarray, " step"]

    @property
    def kept(self) -> Bool[np.ndarray, " head"]:
        """Whether each head is kept: a gate above one half."""
        return self.gate > 0.5


@dataclass(frozen=True, eq=False)
class ContributionSums:
    """Block sums of what each head writes into the residual stream, and of where it attends, raw and weighted by norm.

    Over the `n[h, b]` tokens of block b that head h attends from, padding left out: `norm[h, b]` sums the length of
    what it writes, `share` its share of its layer's output. `raw` and `by_norm` are sums of the same roles, whose
    patterns are the attention itself and the norms of the vectors that it adds up.
    """

    heads: tuple[tuple[str, int, int], ...]
    n: Int[np.ndarray, "head block"]
    norm: Float[np.ndarray, "head block"]
    share: Float[np.ndarray, "head block"]
    raw: RoleSums
    by_norm: RoleSums


@dataclass(frozen=True, eq=False)
class DocumentSums:
    """What a role asks, and what baselines earn, in every source document: the population that corpora are drawn from.

    `n[r, d]` counts the scored queries of role r in source document d, named `sources[d]`; `baseline[r, g, d]` sums the
    credit of baseline `baselines[g]` on them.
    """

    roles: tuple[RoleLabel, ...]
    baselines: tuple[str, ...]
    sources: tuple[str, ...]
    n: Int[np.ndarray, "role document"]
    baseline: Float[np.ndarray, "role baseline document"]


@dataclass(frozen=True, eq=False)
class NumberSums:
    """Block sums of numbers of every head, each a mean: `total[d, h, b]` over the `n[d, h, b]` things it is a mean of.

    `definitions` are the ids of what the numbers are; a head that a number is not asked of has no n. Of ratios, `over`
    is what the totals are divided by in place of n.
    """

    definitions: tuple[str, ...]
    heads: tuple[tuple[str, int, int], ...]
    n: Int[np.ndarray, "definition head block"]
    total: Float[np.ndarray, "definition head block"]
    over: Float[np.ndarray, "definition head block"] | None = None


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Block sums of each head's attention by offset of the key from the query: of the attention and of its square.

    `n[h, o, b]` counts the pairs `offsets[o]` apart that head h could see, `queries[h, b]` the tokens that asked.
    """

    heads: tuple[tuple[str, int, int], ...]
    offsets: tuple[int, ...]
    queries: Int[np.ndarray, "head block"]
    n: Int[np.ndarray, "head offset block"]
    total: Float[np.ndarray, "head offset block"]
    square: Float[np.ndarray, "head offset block"]


@dataclass(frozen=True, eq=False)
class TagSums:
    """Block sums of attention from words of each tag to words of each; the last row is of all words, whatever theirs.

    `mass[h, f, t, b]` and `word_mass[h, f, b]` sum head h's attention, from words of tag f, on words of tag t and on
    all candidates. The heads that see alike, `group[h]`, are asked by the same `n[s, f, b]` words and share what even
    attention would give, `expected[s, f, t, b]`.
    """

    tags: tuple[str, ...]
    heads: tuple[tuple[str, int, int], ...]
    group: Int[np.ndarray, " head"]
    n: Int[np.ndarray, "group from block"]
    expected: Float[np.ndarray, "group from to block"]
    mass: Float[np.ndarray, "head from to block"]
    word_mass: Float[np.ndarray, "head from block"]


@dataclass(frozen=True, eq=False)
class DistanceSums:
    """Block sums of how far apart the attention of every two heads of a site is, in nats, over all queries.

    `distance[p, b]` sums, over the `n[b]` queries of block b, the Jensen–Shannon divergence of the two heads of pair p;
    pairs are in the order of `numpy.triu_indices(len(heads), 1)`.
    """

    heads: tuple[tuple[str, int, int], ...]
    n: Int[np.ndarray, " block"]
    distance: Float[np.ndarray, "pair block"]
