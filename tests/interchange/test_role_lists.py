"""Lists of the heads that have a role, and the same heads in TransformerLens and in our own functions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

import interp
from interp.errors import InterpError
from interp.heads import Head
from interp.interchange.hook_names import _pair
from tests.conftest import TEXTS, Case, assert_close, batch_of, corpus_of

ROWS = [
    ("self", 2, 1, "induction", 0.3),
    ("self", 0, 5, "induction", 0.9),
    ("self", 1, 0, "unclassified", np.nan),
    ("self", 0, 4, "induction", 0.3),
    ("cross", 1, 3, "induction", 0.8),
    ("cross", 1, 3, "diagonal", 0.2),
    ("self", 0, 5, "duplicate", 0.1),
]


def table(**more: Any) -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["site", "layer", "head", "role", "lift"]).assign(**more)


def test_heads_stand_by_lift_and_equal_ones_by_layer_and_head() -> None:
    assert interp.heads_with_role(table(), "induction") == [(0, 5), (0, 4), (2, 1)]
    assert interp.heads_with_role(table(), "induction", site="cross") == [(1, 3)]


def test_a_role_of_another_site_alone_gives_no_head() -> None:
    assert interp.heads_with_role(table(), "diagonal") == []


@pytest.mark.parametrize(
    ("given", "role", "site", "said"),
    [
        (table(), "inductoin", "self", "Did you mean 'induction'"),
        (table(), "unclassified", "self", "no head of this table has it"),
        (table(), "induction", "decoder", "Allowed: cross, self"),
        (table(), "induction", "self1", "Did you mean 'self'"),
        (table(model=["a"] * 6 + ["b"]), "induction", "self", "several runs .column model: a, b"),
        (table(split="confirm"), "induction", "self", "not the table `roles`"),
        (table().drop(columns="lift"), "induction", "self", "not the table `roles`"),
        (table().query("role == 'unclassified'"), "induction", "self", "No head of it has a role"),
    ],
)
def test_what_cannot_be_listed_is_said(given: pd.DataFrame, role: str, site: str, said: str) -> None:
    with pytest.raises(InterpError, match=said):
        interp.heads_with_role(given, role, site=site)


def test_a_planted_head_is_the_one_that_is_listed() -> None:
    """Head 1 of layer 0 attends to the previous token, and nothing else does."""
    from tests.support.fakes import FakeModel, random_documents

    def attend(batch: Any) -> torch.Tensor:
        size = batch.tokens.shape[1]
        seen = batch.mask[:, None, :].float().expand(-1, size, -1)
        even = seen / seen.sum(-1, keepdim=True)
        place = torch.arange(size)
        previous = ((place[:, None] - 1).clamp(min=0) == place[None]).float().expand_as(even)
        return torch.stack([even, previous, even], dim=1)

    corpus = interp.Corpus("random", tuple(random_documents(200)), "none")
    roles = interp.roles_of(FakeModel(attend, 3), corpus, roles="positional", min_queries=5, min_blocks=3)
    assert interp.heads_with_role(roles, "offset-1") == [(0, 1)]


def test_the_same_list_is_what_a_set_of_heads_takes(tiny_gpt2: Case) -> None:
    corpus = corpus_of(TEXTS * 4)
    written = {"pair": ["0.1", "1.3"]}
    listed = {"pair": [(0, 1), Head("self", 1, 3)]}
    by_name, by_pair = (interp.ablate_sets(tiny_gpt2.model, corpus, sets, min_blocks=2) for sets in (written, listed))
    assert by_pair["heads"].tolist() == ["0.1 1.3"] * len(by_pair)
    pd.testing.assert_frame_equal(by_name, by_pair)
    with pytest.raises(InterpError, match="no head of this model"):
        interp.ablate_sets(tiny_gpt2.model, corpus, {"pair": [(9, 9)]})


@pytest.mark.parametrize("case", ["tiny_gpt2", "tiny_llama", "tiny_neox"])
def test_the_hook_and_the_index_are_those_of_the_same_head(
    case: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What TransformerLens caches under that name is what our tap sees of that head, for every head."""
    given: Case = request.getfixturevalue(case)
    batch = batch_of(given.model, TEXTS[:1])
    seen: dict[tuple[str, int], torch.Tensor] = {}
    given.model.run(
        batch,
        pattern=lambda site, layer, pattern: seen.__setitem__(("pattern", layer), pattern.clone()),
        z=lambda site, layer, z: seen.__setitem__(("z", layer), z.clone()),
        logits=False,
    )
    bridge = bridge_of(given, tmp_path)
    with torch.inference_mode():
        _, cache = bridge.run_with_cache(batch.tokens)
    for head in given.model.heads:
        name, index = interp.transformer_lens_hook(head)
        assert (name, index) == interp.transformer_lens_hook((head.layer, head.head))
        assert_close(cache[name][:, index], seen["pattern", head.layer][:, head.head])
        others = [cache[name][:, other] for other in range(cache[name].shape[1]) if other != index]
        assert not any(torch.allclose(seen["pattern", head.layer][:, head.head], other) for other in others)
        name, index = interp.transformer_lens_hook(head, "z")
        assert_close(cache[name][:, :, index], seen["z", head.layer][:, :, head.head])


def bridge_of(case: Case, folder: Path) -> TransformerBridge:
    """TransformerLens's own reading of the copy of the model that `interp` has not met."""
    case.plain.save_pretrained(folder)
    case.tokenizer.save_pretrained(folder)
    return TransformerBridge.boot_transformers(str(folder), device="cpu")


@pytest.mark.parametrize("head", [(1,), (1, -1), ("1", 2), "1.2", (True, 1), (1, 2, 3)])
def test_what_is_no_pair_is_no_head(head: Any) -> None:
    with pytest.raises(InterpError, match=r"is no head\. Allowed: \(layer, head\)"):
        _pair(head)


def test_other_sites_have_no_hook() -> None:
    with pytest.raises(InterpError, match=r"cross 1\.2 is of the site cross"):
        interp.transformer_lens_hook(Head("cross", 1, 2))
