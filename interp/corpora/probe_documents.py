"""A few short documents of a corpus: enough to see whether a model is read rightly."""

from dataclasses import replace

from interp.corpora.encoding import encode
from interp.corpora.withheld import is_withheld
from interp.types import Corpus, Document, EncodedCorpus, HeadModel

LOOKED_AT = 24
"""Documents that are tokenised to choose from."""

LETTERS = 20
"""Characters below which a document says little; shorter ones are taken only where there are no others."""


def probe_documents(model: HeadModel, corpus: Corpus, count: int = 3) -> EncodedCorpus:
    """The shortest documents that say something, first of as many different lengths in tokens as there are.

    Only a few documents are tokenised. Raises `CorpusError` where there is none.
    """
    # a document of placeholders shows nothing of how its text is read
    worded = [document for document in corpus if not is_withheld(document)] or corpus.documents
    by_length = sorted(worded, key=lambda document: (len(document.text) < LETTERS, len(document.text)))
    looked_at = encode(model, replace(corpus, documents=tuple(by_length[:LOOKED_AT])))
    # the first of each length, then (pictures are all of one length) the rest
    first: dict[int, Document] = {}
    rest: list[Document] = []
    for document, encoding in zip(looked_at.corpus, looked_at.encodings, strict=True):
        if first.setdefault(len(encoding.tokens), document) is not document:
            rest.append(document)
    return encode(model, replace(corpus, documents=(*first.values(), *rest)[:count]))
