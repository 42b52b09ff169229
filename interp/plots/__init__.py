"""Publication figures: tables in, `matplotlib.figure.Figure` out. Rows are selected and drawn; nothing is computed.

    figure = role_maps(scores, roles)
    figure.savefig("role_maps.pdf")

The figures know nothing of pyplot: no window opens and no global setting changes. Text stays text in a PDF.
"""

from interp.plots.anatomy import anatomy_maps as anatomy_maps
from interp.plots.anatomy import attention_by_norm as attention_by_norm
from interp.plots.atlas import role_against_effect as role_against_effect
from interp.plots.attribution import attribution_bars as attribution_bars
from interp.plots.attribution import attribution_map as attribution_map
from interp.plots.calibration import coverage as coverage
from interp.plots.calibration import null_p as null_p
from interp.plots.causes import patching_bars as patching_bars
from interp.plots.causes import patching_maps as patching_maps
from interp.plots.causes import path_bars as path_bars
from interp.plots.causes import path_maps as path_maps
from interp.plots.circuits import circuit_completeness as circuit_completeness
from interp.plots.circuits import circuit_curve as circuit_curve
from interp.plots.claims import claims as claims
from interp.plots.compare import compared_effects as compared_effects
from interp.plots.compare import compared_roles as compared_roles
from interp.plots.copying_scores import score_variants as score_variants
from interp.plots.diversity import distance_matrices as distance_matrices
from interp.plots.diversity import head_map as head_map
from interp.plots.diversity import redundancy as redundancy
from interp.plots.effects import effect_map as effect_map
from interp.plots.examples import token_matrices as token_matrices
from interp.plots.explanations import adds_maps as adds_maps
from interp.plots.explanations import explained_map as explained_map
from interp.plots.explanations import share_bars as share_bars
from interp.plots.gates import gate_curve as gate_curve
from interp.plots.gates import gate_maps as gate_maps
from interp.plots.interactions import interaction_map as interaction_map
from interp.plots.interactions import self_repair as self_repair
from interp.plots.known_answers import known_answers as known_answers
from interp.plots.local_kernel import kernel_map as kernel_map
from interp.plots.nulls import real_against_nulls as real_against_nulls
from interp.plots.probe import probe_bars as probe_bars
from interp.plots.pruning import joint_effects as joint_effects
from interp.plots.pruning import pruning_curve as pruning_curve
from interp.plots.role_ablation import role_ablation as role_ablation
from interp.plots.roles import role_maps as role_maps
from interp.plots.scores import best_heads as best_heads
from interp.plots.sentence import attention_arcs as attention_arcs
from interp.plots.sentence import attention_matrices as attention_matrices
from interp.plots.sentence import candidate_bars as candidate_bars
from interp.plots.sentence import sentence_figures as sentence_figures
from interp.plots.stability import matching as matching
from interp.plots.stability import reliability as reliability
from interp.plots.stability import sensitivity as sensitivity
from interp.plots.tags import tag_matrices as tag_matrices
