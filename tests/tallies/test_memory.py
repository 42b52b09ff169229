"""A role pass keeps sums only: twenty-four times the sentences take hardly more memory."""

import subprocess
import sys

import pytest

from tests.support.paths import SHARED

TRAIN = SHARED / "data" / "corpora" / "ud_english_ewt" / "en_ewt-ud-train.conllu.gz"

PASS = """
import resource, sys
from interp import roles
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.conllu import read_conllu
from interp.models.loading import minilm
from interp.tallies.spread import ShapeTally
from interp.tallies.stream import stream
from interp.tallies.roles import RoleTally

model = minilm()

def peak(limit):
    corpus = read_conllu(sys.argv[1], first=limit)
    tally, shape = RoleTally(roles.everything(corpus), model.heads), ShapeTally(model.heads)
    stream(model, (group.batch() for group in batches(encode(model, corpus), model)), tally, shape)
    assert tally.sums().n.sum() > 50 * limit
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

few = peak(500)
print(few, peak(12_000))
"""


@pytest.mark.real
def test_from_500_to_12_000_sentences_takes_less_than_100_mb() -> None:
    if not TRAIN.is_file():
        pytest.skip("needs ../shared/data: the English Web Treebank, train")
    done = subprocess.run([sys.executable, "-c", PASS, str(TRAIN)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    few, many = map(float, done.stdout.split())
    assert 0 <= many - few < 100
