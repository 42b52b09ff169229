"""Real documents with heads of known accuracy on them: what intervals and p-values are held against."""

from interp.calibration.documents import drawn_hits as drawn_hits
from interp.calibration.documents import tally_documents as tally_documents
from interp.calibration.documents import tally_heads as tally_heads
from interp.calibration.known_accuracy import KnownAccuracy as KnownAccuracy
