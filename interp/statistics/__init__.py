"""Methods on arrays: baselines, intervals, tests, false-discovery rates, power. No torch, no plots."""

from interp.statistics.bootstrap import bootstrap_interval as bootstrap_interval
from interp.statistics.false_discovery import benjamini_hochberg as benjamini_hochberg
from interp.statistics.power import power_table as power_table
from interp.statistics.sign_flip import sign_flip_p as sign_flip_p
from interp.statistics.sign_flip import sign_vectors as sign_vectors
