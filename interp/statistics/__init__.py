"""From block sums to tables: effect sizes, intervals, p-values and false-discovery rates. No torch, no plots."""

from interp.statistics.anatomy import anatomy_table as anatomy_table
from interp.statistics.bootstrap import bootstrap_interval as bootstrap_interval
from interp.statistics.effects import effect_table as effect_table
from interp.statistics.false_discovery import benjamini_hochberg as benjamini_hochberg
from interp.statistics.kernels import kernel_numbers as kernel_numbers
from interp.statistics.kernels import kernel_table as kernel_table
from interp.statistics.numbers import number_table as number_table
from interp.statistics.pruning import area_table as area_table
from interp.statistics.pruning import curve_table as curve_table
from interp.statistics.pruning import joint_effect_table as joint_effect_table
from interp.statistics.scores import score_table as score_table
from interp.statistics.sign_flip import sign_flip_p as sign_flip_p
from interp.statistics.sign_flip import sign_vectors as sign_vectors
from interp.statistics.variants import agreement_table as agreement_table
from interp.statistics.variants import spread_table as spread_table
