"""From block sums to tables, one file a table: effect sizes, intervals, p and q. No torch, no plots."""

from interp.tables.anatomy import anatomy_table as anatomy_table
from interp.tables.copying_scores import agreement_table as agreement_table
from interp.tables.copying_scores import spread_table as spread_table
from interp.tables.effects import effect_table as effect_table
from interp.tables.gates import gate_agreement_table as gate_agreement_table
from interp.tables.gates import gate_curve_table as gate_curve_table
from interp.tables.gates import gate_head_table as gate_head_table
from interp.tables.gates import gate_table as gate_table
from interp.tables.gates import gate_training_table as gate_training_table
from interp.tables.known_answers import mark as mark
from interp.tables.known_answers import precision_recall as precision_recall
from interp.tables.known_answers import true_lifts as true_lifts
from interp.tables.local_kernel import kernel_numbers as kernel_numbers
from interp.tables.local_kernel import kernel_table as kernel_table
from interp.tables.numbers import number_table as number_table
from interp.tables.pruning import area_table as area_table
from interp.tables.pruning import curve_table as curve_table
from interp.tables.pruning import joint_effect_table as joint_effect_table
from interp.tables.scores import score_table as score_table
