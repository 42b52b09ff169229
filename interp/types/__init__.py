"""The nouns of the project; every other module speaks in these.

A role says where a head would attend; a tally measures how much it does, in sums; an ablation shows whether it matters.
"""

from interp.documents import UNSPECIFIED as UNSPECIFIED
from interp.documents import Corpus as Corpus
from interp.documents import Document as Document
from interp.documents import EntityLink as EntityLink
from interp.documents import Mention as Mention
from interp.documents import Picture as Picture
from interp.documents import check_characters as check_characters
from interp.heads import BLOCKS as BLOCKS
from interp.heads import Head as Head
from interp.heads import MaskGroup as MaskGroup
from interp.heads import Place as Place
from interp.heads import Site as Site
from interp.types.arguments import check_arguments as check_arguments
from interp.types.arguments import check_corpus as check_corpus
from interp.types.arguments import check_model as check_model
from interp.types.batch import Batch as Batch
from interp.types.batch import EncodedCorpus as EncodedCorpus
from interp.types.batch import Encoding as Encoding
from interp.types.batch import Grid as Grid
from interp.types.describing import describe_model as describe_model
from interp.types.model import NOWHERE as NOWHERE
from interp.types.model import ChunkedPatterns as ChunkedPatterns
from interp.types.model import CleanRun as CleanRun
from interp.types.model import Differentiable as Differentiable
from interp.types.model import EncoderDecoder as EncoderDecoder
from interp.types.model import Expansion as Expansion
from interp.types.model import HasSinks as HasSinks
from interp.types.model import HeadModel as HeadModel
from interp.types.model import HeadOutput as HeadOutput
from interp.types.model import Look as Look
from interp.types.model import MaskedModel as MaskedModel
from interp.types.model import Pattern as Pattern
from interp.types.model import Provable as Provable
from interp.types.model import Resumable as Resumable
from interp.types.model import Scored as Scored
from interp.types.model import Tap as Tap
from interp.types.model import TokenSampler as TokenSampler
from interp.types.model import Unhooked as Unhooked
from interp.types.model import VisionModel as VisionModel
from interp.types.model import Windowed as Windowed
from interp.types.output import LogitPieces as LogitPieces
from interp.types.output import Output as Output
from interp.types.questions import Metric as Metric
from interp.types.questions import Role as Role
