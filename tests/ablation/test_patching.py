"""Patching against plain transformers, one head, one prompt and one part at a time, and against TransformerLens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformer_lens import patching as lens

from interp.ablation.patched_z import PARTS
from interp.ablation.patching import DENOISE, NOISE, patch
from interp.errors import InterpError, ModelError
from interp.models.bridge import BridgeModel
from interp.models.loading import from_transformers
from interp.tables.causes import Answers, patching_table, rank_agreements
from tests.ablation.two_texts import CLEAN, answer, attends_with, pattern_of, prompts_of, tokens_of, z_given
from tests.conftest import HEADS, LAYERS, Case


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


def mixed_z(own: tuple[Tensor, ...], other: tuple[Tensor, ...], part: str, at: Tensor, head: int) -> Tensor:
    """z of one head, [pos, d_head], with one part from the other text at these positions, from the definition."""
    (q, k, v), (q_other, k_other, v_other) = (tuple(one[head] for one in each) for each in (own, other))
    there = at[:, None]
    pattern = pattern_of(q, k)
    if part == "z":
        return torch.where(there, pattern_of(q_other, k_other) @ v_other, pattern @ v)
    if part == "pattern":
        return torch.where(there, pattern_of(q_other, k_other), pattern) @ v
    if part == "v":
        return pattern @ torch.where(there, v_other, v)
    if part == "q":
        return pattern_of(torch.where(there, q_other, q), k) @ v
    return pattern_of(q, torch.where(there, k_other, k)) @ v


@torch.no_grad()
def by_hand(case: Case, direction: str, part: str, position: str) -> np.ndarray:
    """The answer of every prompt with each head patched in a plain network: [head, prompt]."""
    prompts, found = prompts_of(case.model), np.full((LAYERS * HEADS, len(CLEAN)), np.nan)
    for number in range(len(CLEAN)):
        own, other = tokens_of(prompts, number)[:: 1 if direction == NOISE else -1]
        place = None if position == "all" else int(prompts.named[position][number])
        if place == -1:
            continue
        at = torch.ones(own.shape[1]).bool() if place is None else torch.arange(own.shape[1]) == place
        for layer in range(LAYERS):
            both = attends_with(case, own, layer), attends_with(case, other, layer)
            for head in range(HEADS):
                with z_given(case, {layer: {head: mixed_z(*both, part, at, head)}}):
                    logits = case.plain(own, use_cache=False).logits
                found[layer * HEADS + head, number] = answer(logits, prompts, number)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_what_plain_transformers_give(case: Case, part: str) -> None:
    positions = ("all", "end", "middle")
    found = patch(case.model, prompts_of(case.model), parts=[part], positions=positions)
    for (direction, _, position), values in found.after.items():
        expected = by_hand(case, direction, part, position)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5, err_msg=f"{direction} {position}")
        moved = np.abs(values - found.before[direction])[:, ~np.isnan(expected[0])].max(axis=1)
        assert (moved > 1e-4).any(), "nothing is compared with nothing"


def test_heads_that_share_keys_are_patched_alone(tiny_llama: Case) -> None:
    # heads 0 and 1 read one key head: were it exchanged for both, both would have the effect of both
    found = patch(tiny_llama.model, prompts_of(tiny_llama.model), parts=["k"], directions=[NOISE])
    values = found.after[NOISE, "k", "all"]
    assert np.abs(values[0] - values[1]).max() > 1e-3


def test_z_is_what_transformer_lens_patches(tiny_gpt2: Case) -> None:
    bridged = from_transformers(tiny_gpt2.plain, tiny_gpt2.tokenizer, name="bridged", backend="bridge")
    assert isinstance(bridged, BridgeModel)
    prompts, bridge = prompts_of(tiny_gpt2.model), bridged.bridge
    found = patch(tiny_gpt2.model, prompts).after[DENOISE, "z", "all"]
    sweep: Any = lens.get_act_patch_attn_head_out_all_pos
    for number in range(len(CLEAN)):
        clean, corrupted = tokens_of(prompts, number)
        _, cache = bridge.run_with_cache(clean)
        expected = sweep(bridge, corrupted, cache, lambda logits, number=number: answer(logits, prompts, number))
        np.testing.assert_allclose(found[:, number], expected.flatten().detach().numpy(), atol=1e-4)


def test_any_backend_exchanges_z_and_says_that_it_shows_no_queries(tiny_gpt2: Case) -> None:
    bridged = from_transformers(tiny_gpt2.plain, tiny_gpt2.tokenizer, name="bridged", backend="bridge")
    prompts = prompts_of(tiny_gpt2.model)
    one, other = (
        patch(model, prompts, directions=[NOISE]).after[NOISE, "z", "all"] for model in (bridged, tiny_gpt2.model)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)
    with pytest.raises(ModelError, match=r"patching\.part=q,v.*'bridged' does not show.*patching\.part=z"):
        patch(bridged, prompts, parts=["q", "z", "v"])
    with pytest.raises(InterpError, match=r"patching\.estimate=true needs gradients.*'bridged'"):
        patch(bridged, prompts, estimate=True)


def test_where_both_texts_are_the_same_nothing_changes_and_there_is_no_share(case: Case) -> None:
    found = patch(case.model, prompts_of(case.model, CLEAN), parts=PARTS, estimate=True)
    for (direction, *_), values in found.after.items():
        np.testing.assert_array_equal(values, np.broadcast_to(found.before[direction], values.shape))
    same = found.before[NOISE]
    answers = Answers(same, same, np.arange(len(same)))
    heads = [(one.site, one.layer, one.head) for one in case.model.heads]
    table = patching_table(heads, found.before, found.after, found.estimate, answers, seed=0, min_blocks=2)
    assert table[["effect", "estimate", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (table["p"] == 1).all()


def test_the_estimate_is_the_slope_on_the_way_to_the_other_z(tiny_gpt2: Case) -> None:
    prompts, step = prompts_of(tiny_gpt2.model), 1e-2
    found = patch(tiny_gpt2.model, prompts, directions=[NOISE], parts=["z", "k"], estimate=True)
    for part in ("z", "k"):
        for number in range(len(CLEAN)):
            own, other = tokens_of(prompts, number)
            for layer in range(LAYERS):
                both = attends_with(tiny_gpt2, own, layer), attends_with(tiny_gpt2, other, layer)
                for head in range(HEADS):
                    everywhere = torch.ones(own.shape[1]).bool()
                    new = mixed_z(*both, part, everywhere, head)
                    change = new - mixed_z(both[0], both[0], "z", everywhere, head)
                    ends = []
                    for gate in (-step, step):
                        with torch.no_grad(), z_given(tiny_gpt2, {layer: {head: new - (1 - gate) * change}}):
                            ends.append(float(answer(tiny_gpt2.plain(own).logits, prompts, number)))
                    slope = (ends[1] - ends[0]) / (2 * step)
                    estimate = found.estimate[NOISE, part, "all"][layer * HEADS + head, number]
                    assert estimate == pytest.approx(slope, abs=2e-3, rel=2e-2)


def test_effects_are_ratios_of_means_with_both_sums_resampled_together() -> None:
    random = np.random.default_rng(0)
    clean, corrupted, block = random.normal(3, 1, 60), random.normal(-1, 1, 60), np.repeat(np.arange(20), 3)
    after = np.stack([clean, corrupted, (clean + corrupted) / 2, clean - random.normal(1, 1, 60)])
    answers, heads = Answers(clean, corrupted, block), [("self", 0, head) for head in range(4)]
    noise = {(NOISE, "z", "all"): after}
    table = patching_table(heads, {NOISE: clean}, noise, {}, answers, seed=0)
    np.testing.assert_allclose(table["effect"][:3], [0, 1, 0.5], atol=1e-12)
    assert table["effect"][3] == pytest.approx((clean - after[3]).mean() / (clean.mean() - corrupted.mean()))
    # where every prompt has the same share, so has every resample
    np.testing.assert_allclose(table[["ci_low", "ci_high"]][:3], [[0, 0], [1, 1], [0.5, 0.5]], atol=1e-12)
    assert table["ci_low"][3] < table["effect"][3] < table["ci_high"][3]
    assert table["p"][0] == 1 and (table["p"][1:] < 1e-3).all()
    reverse = {(DENOISE, "z", "all"): after}
    back = patching_table(heads, {DENOISE: corrupted}, reverse, {}, answers, seed=0)
    np.testing.assert_allclose(back["effect"][:3], [1, 0, 0.5], atol=1e-12)


def test_prompts_without_a_position_are_left_out_of_its_rows(tiny_gpt2: Case) -> None:
    found = patch(tiny_gpt2.model, prompts_of(tiny_gpt2.model), positions=["middle", "all"], directions=[NOISE])
    answers = Answers(found.before[NOISE], found.before[NOISE] - 1, np.arange(3))
    heads = [(one.site, one.layer, one.head) for one in tiny_gpt2.model.heads]
    table = patching_table(heads, found.before, found.after, {}, answers, seed=0, min_blocks=2)
    assert table.groupby("position")["n"].unique().map(list).to_dict() == {"all": [3], "middle": [2]}
    one = table[(table["position"] == "middle")].iloc[0]
    assert one["effect"] == pytest.approx((found.before[NOISE] - found.after[NOISE, "z", "middle"][0])[[0, 2]].mean())


def test_rank_agreement_is_that_of_ranks() -> None:
    heads = [("self", 0, head) for head in range(5)]
    answers = Answers(np.ones(4), np.zeros(4), np.arange(4))
    effect, setting = np.array([0.1, 0.2, 0.9, 0.3, 0.05])[:, None] * np.ones(4), (NOISE, "z", "all")

    def agreement(monotone: Callable[[np.ndarray], np.ndarray]) -> float:
        # an estimate is of what patching adds, so that it has the other sign
        of = {setting: -monotone(effect)}
        return rank_agreements(patching_table(heads, {NOISE: np.ones(4)}, {setting: 1 - effect}, of, answers, seed=0))[
            setting
        ]

    assert agreement(np.exp) == pytest.approx(1) and agreement(np.negative) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"parts": ["zz"]}, r"patching\.part=zz is not known\. Did you mean 'z'"),
        ({"directions": ["noisy"]}, r"patching\.direction=noisy is not known\. Did you mean 'noise'"),
        ({"positions": ["midle"]}, r"patching\.position=midle is not known\. Did you mean 'middle'"),
        ({"positions": []}, r"patching\.position=\[\] asks for nothing\. Allowed: one or several of all, middle, end"),
    ],
)
def test_what_is_not_known_is_refused(tiny_gpt2: Case, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InterpError, match=said):
        patch(tiny_gpt2.model, prompts_of(tiny_gpt2.model), **given)
