"""Quantiles of both tails against numpy's, which puts all values in order."""

import numpy as np
import pytest

from interp.statistics.tails import PROBE, tail_quantiles


def samples(kind: str) -> np.ndarray:
    values = np.random.default_rng(3).normal(size=(40, 9_999))
    return {
        "normal": values,
        "few different values": np.rint(values),
        "one value": np.ones((3, 9_999)),
        "ascending": np.sort(values, axis=1),
        "descending": -np.sort(values, axis=1),
        "the probe beyond all others": np.where(np.arange(9_999) < PROBE, values * 1e3, values),
        "fewer than the probe": values[:, : PROBE // 2],
        "three values": values[:, :3],
    }[kind]


@pytest.mark.parametrize("tail", [0.0, 1e-300, 1e-5, 0.0007, 0.0125, 0.025, 0.1])
@pytest.mark.parametrize(
    "kind",
    [
        *("normal", "few different values", "one value", "ascending", "descending"),
        *("the probe beyond all others", "fewer than the probe", "three values"),
    ],
)
def test_both_quantiles_are_numpys_to_the_last_bit(kind: str, tail: float) -> None:
    values = samples(kind)
    expected = np.quantile(values, [tail, 1 - tail], axis=1)
    np.testing.assert_array_equal(tail_quantiles(values.copy(), tail), expected)


def test_a_sample_with_nan_has_none_and_spoils_no_other() -> None:
    values = samples("normal")
    broken = values.copy()
    broken[1, 5_000] = np.nan
    low, high = tail_quantiles(broken, 0.02)
    assert np.isnan([low[1], high[1]]).all()
    others = np.arange(len(values)) != 1
    np.testing.assert_array_equal(np.stack([low, high])[:, others], np.stack(tail_quantiles(values, 0.02))[:, others])
