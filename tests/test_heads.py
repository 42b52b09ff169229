"""A head's name is written and read by one pair of functions, which undo one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import InterpError
from interp.heads import HEAD, Head, head_name, parse_head

SITES = st.sampled_from(["self", "encoder", "decoder", "cross"])
NUMBERS = st.integers(0, 130)
HEADS = st.builds(Head, SITES, NUMBERS, NUMBERS)


@pytest.mark.parametrize(
    ("head", "written"),
    [(Head("self", 3, 1), "3.1"), (Head("self", 0, 10), "0.10"), (Head("cross", 3, 1), "cross 3.1")],
)
def test_a_name_is_layer_and_head_with_the_site_where_it_is_not_self(head: Head, written: str) -> None:
    assert head.name == head_name(*head) == written


@given(st.lists(HEADS, min_size=1, unique=True))
def test_what_is_written_is_read_as_the_same_head(heads: list[Head]) -> None:
    for head in heads:
        assert parse_head(head.name, heads) == head
        for text in (f"{head.site} {head.name.split()[-1]}", f"{head.site} L{head.layer}H{head.head}"):
            assert parse_head(text, heads) == head
        # as the table `sets` writes it
        assert parse_head(f"{head.site}:{head.layer}.{head.head}", heads) == head


@given(st.lists(HEADS, min_size=1, unique=True))
def test_names_tell_heads_apart(heads: list[Head]) -> None:
    assert len({head.name for head in heads}) == len(heads)


def test_without_a_site_it_is_the_only_site_or_self_or_nobody_knows() -> None:
    cross, own, encoder = Head("cross", 1, 0), Head("self", 1, 0), Head("encoder", 1, 0)
    assert parse_head("L1H0", [cross]) == parse_head("1.0", [cross]) == cross
    assert parse_head("L1H0", [cross, own]) == own
    with pytest.raises(InterpError, match=r"^'L1H0' is no head of this model\. Allowed: encoder L0H0 to encoder L1H0"):
        parse_head("L1H0", [cross, encoder])


@pytest.mark.parametrize("text", ["1.2.0", "L1", "1.", "l1h0", "elsewhere 1.0", "L9H0", "-1.0", " 1.0", 1.0, None, ""])
def test_what_is_no_head_is_refused(text: object) -> None:
    with pytest.raises(InterpError, match=r"is no head of this model\. Allowed: L0H0 to L1H2"):
        parse_head(text, [Head("self", 0, 2), Head("self", 1, 0)])


def test_a_model_without_heads_has_none_of_any_name() -> None:
    with pytest.raises(InterpError, match="no head"):
        parse_head("0.0", [])


def test_the_columns_are_the_fields() -> None:
    assert tuple(HEAD) == Head._fields
