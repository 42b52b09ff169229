"""Every architecture with a language head that transformers can build small passes the gate, or is refused by name."""

import re
from pathlib import Path

import pytest

from tests.support import tiny_architectures as tiny


@pytest.mark.filterwarnings("ignore")  # of transformers and torch, about their own defaults
@pytest.mark.parametrize(("kind", "model_type"), tiny.ALL)
def test_it_passes_the_gate_or_is_refused_by_name(kind: str, model_type: str, tmp_path: Path) -> None:
    state, why = tiny.outcome(kind, model_type, tmp_path)
    if state == "not built":
        pytest.skip(f"{model_type} cannot be built small: {why}")
    if state == "refused":
        assert model_type.split("_")[0] in why
        assert re.search(r"Allowed|Mend|There is no other way|Try", why)
        # transformers itself wrote the directory: it asks for nothing but what is built
        assert "another network" not in why and "built without it" not in why
        # who was sent to one way is not sent back
        assert not ("Try model.backend=bridge" in why and "model.backend=attention" in why)
