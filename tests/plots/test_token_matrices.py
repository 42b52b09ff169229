"""Tokens by tokens: what is drawn is what the run has kept, targets are framed where they are, and errors answer."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from interp import plots
from interp.errors import InterpError
from interp.examples import Examples
from tests.plots.examples import random_examples
from tests.plots.test_plots import check_saved, texts

EXAMPLES = random_examples(2, 3)


def test_every_cell_is_the_attention_that_was_kept(tmp_path: Path) -> None:
    figure = plots.token_matrices(EXAMPLES, [(0, 2), ("self", 1, 0)])
    check_saved(figure, tmp_path)
    (example,) = EXAMPLES.documents
    # heads stand in the order of the model: 0.0, 0.1, 0.2, 1.0, …
    for axes, place in zip(figure.axes, (2, 3), strict=False):
        drawn = np.asarray(axes.collections[0].get_array())
        np.testing.assert_allclose(drawn, example.patterns["self"][place] / 255)
        np.testing.assert_allclose(drawn.sum(-1), 1, atol=0.1)
        assert axes.yaxis_inverted() and len(axes.collections) == 1
    assert "head 0.2" in texts(figure) and "head 1.0" in texts(figure)


def test_the_targets_of_one_role_are_framed() -> None:
    figure = plots.token_matrices(EXAMPLES, [(0, 0)], 101, role="induction")
    frames = [patch.get_bbox() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    tokens = EXAMPLES.documents[0].sides[0].tokens
    assert len(frames) == 20
    for frame in frames:
        key, query = int(frame.x0 + 0.5), int(frame.y0 + 0.5)
        # the token after the earlier occurrence of the one that attends
        assert tokens[key - 1] == tokens[query] and key - 1 < query
    assert not plots.token_matrices(EXAMPLES, [(0, 0)], role="duplicate").axes[0].patches


def test_errors_answer() -> None:
    with pytest.raises(InterpError, match=r"Document 3 is not among the examples\. Allowed: 101"):
        plots.token_matrices(EXAMPLES, [(0, 0)], 3)
    with pytest.raises(InterpError, match="layers 0 to 1, heads 0 to 2"):
        plots.token_matrices(EXAMPLES, [(0, 3)])
    with pytest.raises(InterpError, match=r"not marked on tokens in these examples\. Allowed: duplicate, induction"):
        plots.token_matrices(EXAMPLES, [(0, 0)], role="nsubj.to_governor")
    with pytest.raises(InterpError, match="5 heads were given; a figure shows 1 to 4"):
        plots.token_matrices(EXAMPLES, [(0, 0)] * 5)
    two = Examples(EXAMPLES.documents, (*EXAMPLES.heads, ("cross", 0, 0)), EXAMPLES.roles, "all")
    with pytest.raises(InterpError, match="could be any of self, cross"):
        plots.token_matrices(two, [(0, 0)])


def test_no_document_gives_words() -> None:
    assert "has kept no document" in texts(plots.token_matrices(Examples(), [(0, 0)]))
