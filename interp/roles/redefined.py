"""The same roles as other papers would judge them, under the names that they have here: for comparison only."""

from collections.abc import Sequence
from dataclasses import replace

from interp.roles.baselines import SPREAD, WORD_BASELINES
from interp.roles.positional import largest_at
from interp.roles.syntax import from_governor
from interp.types import Role


def redefined(roles: Sequence[Role]) -> dict[str, tuple[Role, ...]]:
    """All roles, some of them redefined, by what was changed; a change that would change none is left out.

    `by mass`: what is judged by where the largest attention falls is judged by the attention itself (Vig & Belinkov
    2019). `by largest`: the reverse; for offsets with special tokens aside (Voita et al. 2019, section 5.1). `from
    governor`: a dependent's governor is the word that attends to it most (Clark et al. 2019, section 4.2, head←dep).
    """
    changed = {
        "by mass": tuple(by_mass(role) for role in roles),
        "by largest": tuple(by_largest(role) for role in roles),
        "from governor": tuple(asked_from_governor(role) for role in roles),
    }
    return {name: redefined for name, redefined in changed.items() if redefined != tuple(roles)}


def by_mass(role: Role) -> Role:
    """Judged by the attention on its targets; even attention is a baseline then, too."""
    if role.statistic == "mass":
        return role
    baselines = tuple(dict.fromkeys((*role.baselines, *SPREAD)))
    return replace(role, statistic="mass", definition=f"{role.definition} by mass", baselines=baselines)


def by_largest(role: Role) -> Role:
    """Judged by whether the largest attention falls on one of its targets; one word is a baseline then, too."""
    if role.statistic == "hit":
        return role
    if role.name.startswith("offset"):
        return replace(largest_at(int(role.name.removeprefix("offset"))), name=role.name)
    baselines = tuple(dict.fromkeys((*WORD_BASELINES, *role.baselines))) if role.unit == "word" else role.baselines
    return replace(role, statistic="hit", definition=f"{role.definition} by largest", baselines=baselines)


def asked_from_governor(role: Role) -> Role:
    """The other direction of attention, for `RELATION.to_governor`."""
    relation, _, direction = role.name.rpartition(".")
    return replace(from_governor(relation), name=role.name) if direction == "to_governor" else role
