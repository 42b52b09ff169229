"""A methods section from the manifest and the tables of a run: what was done, and nothing that was not.

Every sentence rests on an entry of the manifest, on a column of a table or on the card of a definition; where an entry
is missing, its sentence is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from interp.heads import HEAD
from interp.paper.prose import Cite, Code, Paragraph, Piece, listed
from interp.paper.references import named_in
from interp.tables.effects import SIZES_OF_CHANGE

HASH = 16
"""Characters of a hash that stand in a text; the manifest has all."""

REPLACED = {
    "mean": ("its mean over all positions of the corpus", ()),
    "zero": ("zero", ("michel2019",)),
    "resample": ("its value in another document of the corpus, drawn from the seed", ()),
    "uniform": ("what it would be with uniform attention over all visible keys", ("kovaleva2019",)),
}
"""By the name of an ablation: what takes the place of a head's output, and who has done so."""

METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "embedding_cosine": ("the cosine between the sentence embeddings with and without the head", ()),
    "log_prob": ("the mean log-probability of the next token", ()),
    "log_prob_of_repeats": ("the mean log-probability of tokens of a sequence that is said a second time", ()),
    "kl": ("minus the mean Kullback–Leibler divergence from the intact model's next-token distribution", ()),
    "pseudo_log_prob": ("the mean log-probability of each token where it alone is masked", ("salazar2020",)),
    "accuracy": ("the share of minimal pairs of which the acceptable sentence is the likelier", ("warstadt2020",)),
    "logit_difference": ("the difference between the log-probabilities of the two sentences of a pair", ()),
}

EXPERIMENTS: dict[str, str] = {
    "anatomy": "Each head's own weights were described, and what it writes into the residual stream was measured.",
    "shapes": "The shape of every head's attention was measured whatever its target: entropy, distance, local kernel.",
    "tags": "The share of every head's attention from words of each part of speech to words of each was measured.",
    "copying": "Published scores of previous-token, duplicate-token and induction heads were computed on one run.",
    "diversity": "The Jensen–Shannon divergence of the attention of every two heads was measured, token by token, and "
    "beside it that of models with random weights.",
    "explain": "Rules that each name cells for a query competed for every head's attention on cells (Luce's choice).",
    "probe": "Parsers that know nothing but attention between words chose each word's governor; they were fitted on "
    "the discovery split and reported on the held-out one.",
    "logit_attribution": "The logit difference of right and wrong answer was taken apart into what every component "
    "writes into the residual stream at the last position, the final norm's scale held as it is.",
    "patching": "Each head in turn was given what it computes with on another text of the same prompt.",
    "path_patching": "What each head writes on another text was let reach one receiver alone, other heads frozen.",
    "nulls": "The same roles were asked of null models.",
    "known_answers": "Roles were planted in heads by construction, and counted as found, missed or falsely found.",
    "random_init": "Roles were asked of networks with random weights.",
    "calibration": "Corpora were redrawn from source documents to see how often intervals hold the true value.",
    "sensitivity": "One choice at a time was changed, and the heads whose roles changed with it were counted.",
    "stability": "Split-half reliability of role scores over heads was estimated, and heads were matched.",
    "role_ablation": "The heads of roles were replaced together, beside random sets and other controls.",
    "circuit": "All heads outside a circuit were replaced; its faithfulness, completeness, minimality were measured.",
    "interactions": "Heads were replaced alone and together, and what all others then write was read off.",
    "pruning_curve": "More and more heads were ablated together, in several orders.",
    "gates": (
        "Hard-concrete gates at the outputs of all heads were trained with an L0 penalty on one half of the source "
        "documents, the model's weights as they are; heads whose gates ended above one half were kept, and all others "
        "ablated together and exactly, on the other half."
    ),
    "sentence": "The attention of every head was read off one sentence; there is no test in this.",
}
"""By experiment: what it does beside roles and effects, which have paragraphs of their own."""

Methods = dict[str, Paragraph]


def methods(tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], definitions: pd.DataFrame) -> Methods:
    """The paragraphs by their titles, in the order of a paper."""
    config = manifest.get("config", {})
    paragraphs: dict[str, list[Piece]] = {
        "Model": _model(tables, manifest, config),
        "Texts": _texts(manifest, config),
        "Roles": _roles(tables, config, definitions),
        "Ablation": _ablation(tables, config),
        "Measures": _measures(tables, config, definitions),
        "Study": _study(config),
        "Reproducibility": _reproducibility(manifest, config),
    }
    return {title: paragraph for title, paragraph in paragraphs.items() if paragraph}


def _model(tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], config: Mapping[str, Any]) -> list[Piece]:
    model, settings = manifest["model"], config.get("model") or {}
    heads = next((tables[name][HEAD].drop_duplicates() for name in ("atlas", "roles", "scores", "effects", "anatomy")
                  if name in tables and set(HEAD) <= set(tables[name])), None)  # fmt: skip
    found: list[Piece] = ["The model is ", Code(str(model.get("name")))]
    if heads is not None and len(heads):
        layers = len(heads[["site", "layer"]].drop_duplicates())
        found += [f", of whose attention {_counted(len(heads), 'head')} in {_counted(layers, 'layer')} were measured"]
    if model.get("revision"):
        found += [" (revision ", Code(str(model["revision"])), " of ", Code(str(model.get("path"))), ")"]
    found += ["."]
    weights = str(model.get("weights_sha256", ""))
    if weights.startswith(("random", "planted", "none", "not hashed")):
        found += [f" Weights: {weights}."]
    elif weights:
        found += [" SHA-256 of the weights: ", Code(weights[:HASH]), "…"]
        if model.get("tokenizer_sha256"):
            found += ["; of the tokenizer: ", Code(str(model["tokenizer_sha256"])[:HASH]), "…"]
        found += ["."]
    if settings.get("init") == "random":
        found += [" The weights are not trained: they were initialised anew, as a null model."]
    if model.get("backend") == "bridge":
        found += [" Its activations were read through TransformerLens", Cite(("nanda2022",)), "."]
    elif model.get("backend") == "attention":
        found += [" Its attention was read through the attention interface of transformers", Cite(("wolf2020",)), "."]
    for name, words in (("dequantised_from", "Dequantised from"), ("language_head", "Language head"),
                        ("not_finite", "Weights that hold NaN or infinity"), ("not_used", "Not used")):  # fmt: skip
        if model.get(name):
            found += [f" {words}: ", Code(str(model[name])), "."]
    return [*found, *_gate(manifest.get("gate"))]


def _gate(gate: Mapping[str, Any] | None) -> list[Piece]:
    if gate is None:
        return []
    if gate.get("status") != "passed":
        return [" The hooks were not validated on this model: the correctness gate was switched off."]
    checks = gate.get("checks", {})
    largest = max(checks.values(), default=0.0)
    found = [
        f" Before anything was measured, {_counted(len(checks), 'check')} validated the hooks on the model "
        f"(largest deviation {largest:.1e})"
    ]
    missing = list(gate.get("not_checked", {}))
    return [*found, *([f"; not asked of this model: {', '.join(missing)}."] if missing else ["."])]


def _texts(manifest: Mapping[str, Any], config: Mapping[str, Any]) -> list[Piece]:
    corpus, settings = manifest["corpus"], config.get("corpus") or {}
    kind = str(settings.get("_target_", "")).rpartition(".")[2]
    found: list[Piece] = ["The corpus is ", Code(str(corpus["name"]))]
    if kind:
        found += [" (read by ", Code(kind), ")"]
    found += [
        f": {_counted(corpus.get('documents', 0), 'document')} of {_counted(corpus.get('words', 0), 'word')}, from "
        f"{_counted(corpus.get('sources', 0), 'source document')} (SHA-256 of what they are from: ",
        Code(str(corpus["sha256"])[:HASH]),
        "…).",
    ]
    if corpus.get("generated"):
        found += [" It was generated: intervals and p-values describe its generator, not a language."]
    if settings.get("limit") is not None and not corpus.get("generated"):
        found += [f" Of a larger corpus, at most {settings['limit']:,} documents were taken, by the hash of their "
                  "source."]  # fmt: skip
    if settings.get("first") is not None:
        found += [f" Of a larger corpus the first {settings['first']:,} documents were taken."]
    skipped = {name: count for name, count in manifest.get("skipped", {}).items() if count}
    if skipped:
        named = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in skipped.items())
        found += [f" Left out or cut: {named}."]
    return found


def _roles(tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any], definitions: pd.DataFrame) -> list[Piece]:
    scores = tables.get("scores")
    if scores is None or scores.empty or "split" not in scores:
        return []
    criteria = config.get("classify") or {}
    tested = scores[(scores["split"] == "confirm") & scores["p"].notna()]
    by_hit = sorted(set(scores.loc[scores["statistic"] == "hit", "family"]))
    by_mass = sorted(set(scores.loc[scores["statistic"] == "mass", "family"]))
    found: list[Piece] = [
        f"Every head was scored on {_counted(scores['role'].nunique(), 'role')}, under these definitions: ",
        *_definitions(scores["definition"], definitions),
        ". ",
    ]
    if by_hit:
        found += [f"Roles judged by hits (families: {', '.join(by_hit)}): a hit is a query whose largest attention "
                  "among its candidates is on a target. "]  # fmt: skip
    if by_mass:
        found += [f"Roles judged by mass (families: {', '.join(by_mass)}): the attention on targets. "]
    found += [
        "A score's lift is what it has over the best of the model-free baselines, which was chosen on the discovery "
        "split (select). "
    ]
    if scores["lift_pos"].notna().any():
        found += [
            "Beside it stands the best baseline that reads gold annotation and no model (annotation baseline); it "
            "decides nothing. "
        ]
    found += [
        "Source documents fall by their hash into 64 blocks, whose even ones are the discovery split and whose odd "
        "ones the held-out split (confirm). Intervals are 95 % percentile bootstraps of blocks",
        Cite(("efron1993",)),
        ", 9,999 resamples, expanded for few blocks",
        Cite(("hesterberg2015",)),
        ". ",
    ]
    if tested.empty:
        return [*found, "No role could be tested: the corpus has too few queries or source documents."]
    found += [
        "p-values are one-sided sign flips of the blocks' sums (99,999 sign vectors, exact where p is small), ",
        f"for {len(tested):,} tests of a head and a role on the held-out split",
    ]
    if criteria.get("correction") == "max_t":
        found += [", corrected for the family-wise error by single-step max-T", Cite(("westfall1993",)), ". "]
    else:
        found += [", and q-values control their false discovery rate", Cite(("benjamini1995",)), ". "]
    if "roles" not in tables or not {"margin", "alpha", "min_queries", "min_blocks"} <= set(criteria):
        return found
    corrected = "corrected p" if criteria.get("correction") == "max_t" else "q"
    also = (
        f"; of roles judged by hits on words, at least {criteria['min_word_mass']:g} of its attention must be on words"
        if by_hit and "min_word_mass" in criteria
        else ""
    )
    return [
        *found,
        f"A role was tested with at least {criteria['min_queries']} scored queries in {criteria['min_blocks']} blocks "
        f"in each split. A head has a role if its lift is at least {criteria['margin']:g} on both splits (on the "
        f"held-out one also over the best of that split's own baselines) and {corrected} ≤ {criteria['alpha']:g}"
        f"{also}.",
    ]


def _definitions(used: pd.Series, cards: pd.DataFrame) -> list[Piece]:
    """The ids of definitions, each with what it is after."""
    sources = dict(zip(cards["definition"], cards["source"], strict=True))
    pieces: list[Sequence[Piece]] = []
    for one in dict.fromkeys(used.dropna()):
        keys = named_in(str(sources.get(one, "")))
        pieces.append([Code(str(one)), *([Cite(tuple(keys))] if keys else [])])
    return listed(pieces)


def _ablation(tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any]) -> list[Piece]:
    effects = tables.get("effects")
    if effects is None or effects.empty or "metric" not in effects:
        return []
    plan = config.get("ablation") or {}
    target = str((plan.get("replacement") or {}).get("_target_", ""))
    name = target.rpartition(".")[2]
    by_what, keys = REPLACED.get(name, ("", ()))
    found: list[Piece] = ["Each head was ablated alone, before the output projection mixes heads: its output was "]
    if by_what and target.startswith("interp."):
        found += [f"replaced by {by_what}", *([Cite(keys)] if keys else []), ". "]
    else:
        found += ["replaced as ", Code(target or ", ".join(map(str, effects["ablation"].unique()))), " says. "]
    metrics: list[Sequence[Piece]] = []
    for metric in effects["metric"].unique():
        words, by = METRICS.get(str(metric), ("", ()))
        about: list[Piece] = [f" ({words})", *([Cite(by)] if by else [])] if words else []
        metrics.append([Code(str(metric)), *about])
    low, high = int(effects["n"].min()), int(effects["n"].max())
    documents = _counted(high, "document") if low == high else f"{low:,} to {high:,} documents"
    found += ["Effects are intact less ablated, averaged over ", documents, ", on ", *listed(metrics), ". "]
    kinds = [
        str(kind) for kind in effects["ablation"].unique() if "approximate" in str(kind) or "estimate" in str(kind)
    ]
    if kinds:
        found += ["Not every head was measured on every document; the column ", Code("ablation"), " says so: ",
                  *listed([[Code(kind)] for kind in kinds]), ". "]  # fmt: skip
    if plan.get("precision") not in (None, "float32"):
        found += ["The sweep ran in the precision ", Code(str(plan["precision"])), " where that was faster. "]
    if effects["ci_low"].notna().any():
        found += [
            "Intervals are 95 % bootstraps of blocks of source documents",
            Cite(("efron1993", "hesterberg2015")),
            ". ",
        ]
    if effects["p"].notna().any():
        found += ["p-values are two-sided sign flips of blocks, q-values control their false discovery rate",
                  Cite(("benjamini1995",)), ". "]  # fmt: skip
    else:
        found += ["No effect was tested. "]
    sizes = [str(metric) for metric in effects["metric"].unique() if metric in SIZES_OF_CHANGE]
    if sizes:
        found += [*listed([[Code(size)] for size in sizes]),
                  " measures the size of a change, which cannot be negative, and has no test."]  # fmt: skip
    return found


def _measures(tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any], definitions: pd.DataFrame) -> list[Piece]:
    """What else the experiment did, and the definitions of numbers that are no roles."""
    target = str((config.get("experiment") or {}).get("_target_", ""))
    module, name = target.rpartition(".")[0], target.split(".")[-2] if "." in target else ""
    found: list[Piece] = []
    if target.startswith("experiments."):
        found += [EXPERIMENTS[name]] if name in EXPERIMENTS else []
    elif target:
        found += ["The experiment is ", Code(module), "."]
    settings = config.get(name) if name in EXPERIMENTS else None
    if isinstance(settings, Mapping) and settings:
        chosen = [[Code(f"{key}={value}")] for key, value in settings.items() if not isinstance(value, Mapping)]
        found += [" Settings: ", *listed(chosen), "."] if chosen else []
    if name == "nulls":
        found += [f" Null models: {', '.join(map(str, _as_list(config.get('null'))))}; "
                  f"draws of each: {config.get('null_seeds')}."]  # fmt: skip
    if name == "anatomy":
        found += [" Attention was also weighted by the norms of the vectors that it adds up", Cite(("kobayashi2020",)),
                  "; copying by a head's own weights is after", Cite(("elhage2021",)), "."]  # fmt: skip
    if name == "logit_attribution":
        found += [" Direct attribution is after", Cite(("elhage2021",)), "."]
    if name in ("patching", "path_patching"):
        found += [" Patching of activations and paths is after", Cite(("wang2023",)), "."]
    if name == "gates":
        found += [" Gates and their penalty are after", Cite(("louizos2018", "voita2019")), "."]
    if name == "diversity":
        found += [" Distances between heads are after", Cite(("clark2019",)), ", the effective number of heads is the "
                  "Vendi score", Cite(("friedman2023",)), " by the kernel 1 − divergence/log 2, and heads were laid "
                  "out by metric scaling", Cite(("deleeuw1977",)), "."]  # fmt: skip
    if name == "probe":
        found += [" They are after", Cite(("clark2019",)), ": log-linear in each head's attention to the candidate and "
                  "from it, fitted by Adam", Cite(("kingma2015",)), " and stopped by every fourth block of the "
                  "discovery split."]  # fmt: skip
    used = [table["definition"] for key, table in tables.items() if key != "scores" and "definition" in table]
    known = set(tables["scores"]["definition"]) if "scores" in tables and "definition" in tables["scores"] else set()
    ids = pd.Series([one for ids in used for one in ids.dropna().unique() if one not in known], dtype=object)
    if len(ids):
        found += [" Definitions: " if found else "Definitions: ", *_definitions(ids, definitions), "."]
    return found


def _study(config: Mapping[str, Any]) -> list[Piece]:
    study = config.get("study")
    if not isinstance(study, Mapping) or not study:
        return []
    title = str(study.get("title", study.get("name", "")))
    keys = named_in(title)
    claims = study.get("claims")
    count = f"{_counted(len(claims), 'claim')}" if isinstance(claims, Sequence) else "Claims"
    return [f"{count} of ", Code(title), *([Cite(tuple(keys))] if keys else []), " stood beside what was measured."]


def _reproducibility(manifest: Mapping[str, Any], config: Mapping[str, Any]) -> list[Piece]:
    project, machine = manifest.get("project", {}), manifest.get("machine", {})
    found: list[Piece] = [
        f"Computed with interp {project.get('version', '')} (commit ",
        Code(str(project.get("commit"))),
        ")",
    ]
    packages = manifest.get("packages", {})
    if packages:
        found += [", ", *listed([[f"{name} {version}"] for name, version in packages.items()])]
    found += [f"; seed {config.get('seed', manifest.get('seed'))}; {config.get('dtype', 'float32')}"]
    if machine:
        found += [
            f" on {machine.get('device')} ({machine.get('processor')}, {_counted(machine.get('threads', 1), 'thread')})"
        ]
    found += ["."]
    if manifest.get("shards"):
        found += [f" The work was shared out to {len(manifest['shards'])} runs, whose sums were merged."]
    typed = [str(one) for one in manifest.get("overrides", ())]
    if typed:
        found += [" What was typed: ", *listed([[Code(one)] for one in typed]), "."]
    return [*found, " All settings, hashes and counts are in the run's manifest."]


def _counted(count: Any, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
