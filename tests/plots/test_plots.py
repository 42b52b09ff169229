"""Figures draw the tables' numbers, say when there is nothing to draw, and never touch what they are given."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from interp import plots
from interp.errors import InterpError
from interp.plots.glyphs import without_glyph
from interp.plots.style import LONGEST_LABEL, PALETTE, blank_reason, short, text_width

RELATIONS = ["nsubj", "obj", "amod", "det", "case", "advmod", "compound", "conj", "obl", "aux", "cop", "nmod", "mark"]
FAMILIES = {
    "positional": ["offset-2", "offset-1", "offset+1", "self", "first", "separator"],
    "copying": ["duplicate", "induction"],
    "syntax": [f"{relation}.{way}" for relation in RELATIONS for way in ("to_governor", "to_dependent")],
    "coreference": ["coref.antecedent"],
}
RUN = {"model": "minilm", "corpus": "ewt", "seed": 0}
SENTENCE = "The student did n't like the book that $ 5 of her teachers praised ."
WORDS: list[str] = [*SENTENCE.split()]


def random_scores(
    layers: int, heads: int, sites: tuple[str, ...] = ("self",), families: dict = FAMILIES
) -> pd.DataFrame:
    random, rows = np.random.default_rng(0), []
    for site, layer, head in ((s, y, h) for s in sites for y in range(layers) for h in range(heads)):
        for family, roles in families.items():
            for number, role in enumerate(roles):
                baseline = 0.1 + 0.3 * random.random()
                n = 5 if family == "syntax" and number < 2 else 60 + 37 * number * number
                lift = random.normal(-0.1, 0.06) + (random.random() < 0.02) * random.uniform(0.2, 0.6)
                for split in ("select", "confirm", "all"):
                    here = np.clip(lift + random.normal(0, 0.02), -baseline, 1 - baseline)
                    sure = n >= 50
                    rows.append(
                        RUN
                        | {"role": role, "family": family, "site": site, "layer": layer, "head": head, "split": split}
                        | {"n": n, "hit": baseline + here, "baseline": baseline, "baseline_name": "offset-1"}
                        | {
                            "mass": random.random(),
                            "word_mass": np.nan if family == "positional" else 0.5,
                            "lift": here,
                        }
                        | {"ci_low": here - 0.04 if sure else np.nan, "ci_high": here + 0.05 if sure else np.nan}
                        | {"p": random.random() if sure else np.nan, "q": np.nan}
                    )
    return pd.DataFrame(rows)


def assigned_roles(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `roles` table that these scores would give, unclassified heads included."""
    confirm = scores[(scores["split"] == "confirm") & scores["p"].notna()]
    roles = confirm[confirm["lift"] >= 0.1].drop(columns="split")
    rest = confirm.drop_duplicates(["site", "layer", "head"]).merge(
        roles[["site", "layer", "head"]].drop_duplicates(), how="left", indicator=True
    )
    rest = rest[rest["_merge"] == "left_only"].assign(role="unclassified", family="unclassified", lift=np.nan)
    return pd.concat([roles, rest[roles.columns]], ignore_index=True)


def random_effects(layers: int, heads: int, sites: tuple[str, ...] = ("self",)) -> pd.DataFrame:
    random, rows = np.random.default_rng(1), []
    for site, layer, head in ((s, y, h) for s in sites for y in range(layers) for h in range(heads)):
        for ablation in ("zero", "mean"):
            for metric in ("log_prob", "embedding_cosine"):
                signed, size = metric == "log_prob", random.exponential(0.01)
                effect = size * random.choice([1, 1, -1]) if signed else size
                rows.append(
                    RUN
                    | {"site": site, "layer": layer, "head": head, "ablation": ablation, "metric": metric, "n": 500}
                    | {"effect": effect, "ci_low": effect - 0.01, "ci_high": effect + 0.01}
                    | {"p": random.random() if signed else np.nan, "q": random.random() if signed else np.nan}
                )
    return pd.DataFrame(rows)


def random_atlas(layers: int, heads: int) -> pd.DataFrame:
    random = np.random.default_rng(2)
    effects = random_effects(layers, heads)
    atlas = effects[(effects["ablation"] == "mean") & (effects["metric"] == "log_prob")].drop(columns=["p", "q"])
    count = len(atlas)
    lift = random.normal(0.02, 0.05, count) + (random.random(count) < 0.3) * random.uniform(0.1, 0.6, count)
    family = random.choice(list(FAMILIES), count)
    return atlas.assign(best_lift=lift, best_family=np.where(lift > 0.1, family, "unclassified"), best_role="some")


def random_attention(layers: int = 3, heads: int = 4, words: list[str] = WORDS) -> pd.DataFrame:
    random, rows = np.random.default_rng(3), []
    for layer, head, query in ((y, h, q) for y in range(layers) for h in range(heads) for q in range(len(words))):
        mass = random.dirichlet(np.full(len(words), 0.15)) * 0.9
        for key in (key for key in range(len(words)) if key != query):
            rows.append(
                {"model": "minilm", "seed": 0, "site": "self", "layer": layer, "head": head, "query": query}
                | {"query_word": words[query], "key": key, "key_word": words[key], "mass": mass[key]}
            )
    return pd.DataFrame(rows)


def random_candidates(layers: int = 6, heads: int = 12) -> pd.DataFrame:
    attention = random_attention(layers, heads)
    chosen = attention[(attention["query"] == 11) & attention["key"].isin([1, 6, 12])]
    return chosen.rename(columns={"key": "candidate", "key_word": "candidate_word"})


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return " | ".join(" ".join(artist.get_text().split()) for artist in figure.findobj(Text))  # type: ignore[attr-defined]


def check_saved(figure: Figure, folder) -> None:
    """Saves without a warning (they are errors here), with text as text and no glyph below six points."""
    assert isinstance(figure, Figure)
    figure.savefig(folder / "figure.png", dpi=72)
    figure.savefig(folder / "figure.pdf")
    assert b"/Type3" not in (folder / "figure.pdf").read_bytes()
    assert all(text.get_fontsize() >= 6 for text in figure.findobj(Text) if text.get_text())  # type: ignore[attr-defined]


SIZES = [(6, 12), (5, 8), (12, 12), (1, 1), (32, 32)]


@pytest.mark.parametrize(("layers", "heads"), SIZES)
def test_role_maps_draw_the_largest_testable_lift(layers, heads, tmp_path):
    scores = random_scores(layers, heads)
    roles = assigned_roles(scores)
    before = scores.copy(), roles.copy()
    figure = plots.role_maps(scores, roles)
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(scores, before[0])
    pd.testing.assert_frame_equal(roles, before[1])
    confirm = scores[(scores["split"] == "confirm") & scores["p"].notna()]
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in maps] == [f for f in FAMILIES if f in set(confirm["family"])]
    for axes in maps:
        family, keys = axes.get_title(loc="left"), ["layer", "head"]
        of_family = confirm[confirm["family"] == family]
        # a head that has a role is as dark as that role, which is no sink where it has another
        named = of_family[(of_family["lift"] >= 0.1) & ~of_family["role"].isin(["first", "self", "separator"])]
        largest = of_family.groupby(keys)["lift"].max().clip(lower=0)
        largest.update(named.groupby(keys)["lift"].max())
        np.testing.assert_allclose(axes.collections[0].get_array().ravel(), largest.to_numpy())  # type: ignore[union-attr]
        boxes, dotted = (axes.collections[number].get_paths() for number in (1, 2))
        assert len(boxes) == len(named[keys].drop_duplicates())
        assert len(boxes) + len(dotted) == len(roles[roles["family"] == family].drop_duplicates(keys))


def test_role_maps_say_what_was_not_testable(tmp_path):
    scores = random_scores(2, 2).assign(p=np.nan, q=np.nan)
    figure = plots.role_maps(scores, assigned_roles(scores))
    check_saved(figure, tmp_path)
    assert "nothing to show: no role had enough queries and blocks" in texts(figure)


def test_role_maps_have_a_panel_per_site(tmp_path):
    scores = random_scores(6, 8, ("encoder", "decoder", "cross"))
    figure = plots.role_maps(scores, assigned_roles(scores))
    check_saved(figure, tmp_path)
    assert "syntax, cross" in texts(figure)


def test_labels_name_the_strongest_role():
    scores = random_scores(2, 4, families={"syntax": ["obj.to_governor", "det.to_dependent"] * 3})
    roles = scores[(scores["split"] == "confirm") & (scores["layer"] == 1) & (scores["head"] == 2)].iloc[-2:]
    roles = roles.assign(lift=[0.3, 0.2])
    assert roles["role"].iloc[0] == "obj.to_governor"
    shown = texts(plots.role_maps(scores, roles))
    assert "obj→gov*" in shown and "det→dep" not in shown


def test_best_heads_choose_on_select_and_draw_confirm(tmp_path):
    scores = random_scores(4, 6)
    before = scores.copy()
    figure = plots.best_heads(scores)
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(scores, before)
    words = scores[scores["word_mass"].notna()]
    select, confirm = (
        words[words["split"] == split].set_index(["role", "layer", "head"]) for split in ("select", "confirm")
    )
    best = confirm.loc[[group["lift"].idxmax() for _, group in select.groupby(level="role")]].sort_values("lift")
    assert best["p"].isna().sum() == 2, "the untested are counted, and not drawn"
    best = best[best["p"].notna()]
    axes = figure.axes[0]
    dots = np.concatenate(
        [np.asarray(dots.get_offsets()) for dots in axes.collections if "hit" in str(dots.get_label())]
    )
    np.testing.assert_allclose(dots[np.argsort(dots[:, 1]), 0], best["hit"].to_numpy())
    intervals = [lines for lines in axes.collections if isinstance(lines, LineCollection)]
    lines = np.array([ends for lines in intervals for ends in lines.get_segments() if len(ends)])
    lines = lines[np.argsort(lines[:, 0, 1])]
    np.testing.assert_allclose(lines[:, 0, 0], (best["baseline"] + best["ci_low"]).clip(0, 1).to_numpy())
    np.testing.assert_allclose(lines[:, 1, 0], (best["baseline"] + best["ci_high"]).clip(0, 1).to_numpy())
    shown = texts(figure)
    assert "(too few queries or blocks of documents), and left out: 2." in shown and "obj → governor" in shown


def test_best_heads_leave_out_the_rarest(tmp_path):
    figure = plots.best_heads(random_scores(2, 2, families={"syntax": [f"r{n}.to_governor" for n in range(57)]}))
    check_saved(figure, tmp_path)
    shown = texts(figure)
    assert "Left out without the role, with the fewest queries: 5." in shown
    assert "r56 → governor" in shown and "r6 → governor" not in shown


@pytest.mark.parametrize(("layers", "heads"), [(6, 12), (1, 1), (32, 32)])
def test_effect_map_draws_the_effects(layers, heads, tmp_path):
    effects = random_effects(layers, heads)
    before = effects.copy()
    figure = plots.effect_map(effects)
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(effects, before)
    panels = [(metric, ablation) for metric in ("log_prob", "embedding_cosine") for ablation in ("zero", "mean")]
    for axes, (metric, ablation) in zip(figure.axes, panels, strict=False):
        rows = effects[(effects["metric"] == metric) & (effects["ablation"] == ablation)]
        mesh, dots, *dashes = axes.collections
        np.testing.assert_allclose(mesh.get_array().ravel(), rows["effect"].to_numpy())  # type: ignore[union-attr]
        sure = rows.loc[rows["q"] <= 0.05, ["head", "layer"]].to_numpy().reshape(-1, 2)
        np.testing.assert_array_equal(np.asarray(dots.get_offsets()).reshape(-1, 2), sure)
        assert (mesh.norm.vmin == -mesh.norm.vmax) == (metric == "log_prob")  # type: ignore[operator]
        # in grey, what is negative is told by its dash
        segments = [segment for lines in dashes for segment in lines.get_segments()]  # type: ignore[union-attr]
        marked = {(round(float(ends[:, 0].mean())), round(float(ends[0, 1]))) for ends in segments}
        below = rows[rows["effect"] <= -0.1 * mesh.norm.vmax]  # type: ignore[operator]
        assert marked == set(zip(below["head"], below["layer"], strict=True))
    assert "nats per token" in texts(figure) and "1 − cosine" in texts(figure)


def test_effect_map_with_sites_and_empty_objects(tmp_path):
    effects = random_effects(4, 8, ("encoder", "decoder", "cross"))
    effects[["p", "q"]] = pd.DataFrame(None, index=effects.index, columns=["p", "q"], dtype=object)
    check_saved(plots.effect_map(effects), tmp_path)


@pytest.mark.parametrize(("layers", "heads"), [(6, 12), (1, 1)])
def test_role_against_effect_draws_every_head_in_its_colour(layers, heads, tmp_path):
    atlas = random_atlas(layers, heads)
    before = atlas.copy()
    figure = plots.role_against_effect(atlas)
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(atlas, before)
    drawn = {
        (x, y, to_hex(dots.get_facecolor()[0]).upper())  # type: ignore[index]
        for dots in figure.axes[0].collections
        if isinstance(dots, PathCollection)
        for x, y in np.asarray(dots.get_offsets())
    }
    given = zip(atlas["best_lift"], atlas["effect"], [PALETTE[family] for family in atlas["best_family"]], strict=True)
    assert drawn == set(given)


def test_a_signed_metric_without_p_still_diverges():
    effects = random_effects(2, 3).assign(p=np.nan, q=np.nan)
    norm = plots.effect_map(effects).axes[0].collections[0].norm
    assert norm.vmin == -norm.vmax  # type: ignore[operator]


def test_role_against_effect_names_the_largest_and_copes_with_gaps(tmp_path):
    atlas = random_atlas(4, 4)
    atlas = atlas.assign(best_family=None, best_lift=[np.nan, *atlas["best_lift"].iloc[1:]])
    figure = plots.role_against_effect(atlas)
    check_saved(figure, tmp_path)
    largest = atlas.iloc[1:].sort_values("effect", key=abs).iloc[-1]
    shown = texts(figure)
    assert f"{largest['layer']}.{largest['head']}" in shown
    assert "unclassified" in shown and "1 heads without any scored role" in shown


def test_arcs_draw_what_has_mass(tmp_path):
    attention = random_attention()
    before = attention.copy()
    figure = plots.attention_arcs(attention, WORDS, [(0, 1), ("self", 2, 3)])
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(attention, before)
    first, second = figure.axes
    assert first.get_title(loc="left") == "head 0.1" and second.get_title(loc="left") == "head 2.3"
    rows = attention[(attention["layer"] == 0) & (attention["head"] == 1) & (attention["mass"] >= 0.1)]
    drawn = {patch.get_gid(): patch.get_linewidth() for patch in first.patches}
    gids = [f"{query}-{key}" for query, key in rows[["query", "key"]].to_numpy()]
    assert drawn == pytest.approx(dict(zip(gids, 0.4 + 2.6 * rows["mass"], strict=True)))
    assert [label.get_text() for label in first.get_xticklabels()] == WORDS

    figure = plots.attention_arcs(attention, WORDS, [(0, 1)], query=4)
    assert {patch.get_gid() for patch in figure.axes[0].patches} == {gid for gid in drawn if str(gid).startswith("4-")}


def test_arcs_without_mass_say_so(tmp_path):
    figure = plots.attention_arcs(random_attention().assign(mass=0.01), WORDS, [(0, 1)])
    check_saved(figure, tmp_path)
    assert "no mass of 0.1 or more" in texts(figure)


@pytest.mark.parametrize("count", [1, 4])
def test_matrices_draw_the_mass(count, tmp_path):
    attention = random_attention()
    figure = plots.attention_matrices(attention, [(0, 0), (0, 1), (1, 2), (2, 3)][:count])
    check_saved(figure, tmp_path)
    rows = attention[(attention["layer"] == 0) & (attention["head"] == 0)]
    array = np.ma.asarray(figure.axes[0].collections[0].get_array())
    np.testing.assert_allclose(array[rows["query"], rows["key"]], rows["mass"])
    assert np.ma.getmaskarray(array).sum() == len(WORDS)  # a word's attention to itself is not counted


def test_bars_draw_the_ten_heads_with_the_largest_mass(tmp_path):
    candidates = random_candidates()
    before = candidates.copy()
    figure = plots.candidate_bars(candidates)
    check_saved(figure, tmp_path)
    pd.testing.assert_frame_equal(candidates, before)
    most = candidates.groupby(["layer", "head"])["mass"].max().nlargest(10)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{layer}.{head}" for layer, head in most.index]
    for bars, (_, rows) in zip(axes.containers, candidates.groupby("candidate"), strict=True):
        by_head = rows.set_index(["layer", "head"])["mass"].loc[most.index]
        assert sorted(bar.get_height() for bar in bars) == pytest.approx(sorted(by_head))  # type: ignore[attr-defined]
    assert "student (1)" in texts(figure) and "from her (11) to" in texts(figure)


def test_empty_tables_give_words(tmp_path):
    scores, effects, atlas = random_scores(1, 2), random_effects(1, 2), random_atlas(1, 2)
    attention, candidates = random_attention(1, 1), random_candidates(1, 1)
    figures = [
        plots.role_maps(scores[:0], assigned_roles(scores)[:0]),
        plots.best_heads(scores[:0]),
        plots.best_heads(scores[scores["family"] == "positional"]),
        plots.best_heads(scores[scores["split"] != "select"]),
        plots.best_heads(scores.assign(p=np.nan)),
        plots.effect_map(effects[:0]),
        plots.effect_map(effects.assign(effect=np.nan)),
        plots.role_against_effect(atlas[:0]),
        plots.role_against_effect(atlas.assign(best_lift=np.nan)),
        plots.attention_arcs(attention[:0], WORDS, [(0, 0)]),
        plots.attention_matrices(attention[:0], [(0, 0)]),
        plots.candidate_bars(candidates[:0]),
    ]
    for figure in figures:
        check_saved(figure, tmp_path)
        assert "nothing to show: " in texts(figure)
        assert blank_reason(figure), "a run knows that there is nothing to save"


def test_all_zero_and_all_unclassified_are_drawn(tmp_path):
    scores, effects = random_scores(1, 3), random_effects(1, 3)
    roles = assigned_roles(scores).assign(role="unclassified", family="unclassified")
    check_saved(plots.role_maps(scores, roles), tmp_path)
    check_saved(plots.role_maps(scores.assign(lift=-0.1), roles[:0]), tmp_path)
    check_saved(plots.best_heads(scores, roles), tmp_path)
    check_saved(plots.effect_map(effects.assign(effect=0.0)), tmp_path)
    check_saved(plots.role_against_effect(random_atlas(1, 1).assign(best_family="unclassified")), tmp_path)


def test_errors_answer():
    attention = random_attention(2, 2)
    with pytest.raises(InterpError, match="layers 0 to 1, heads 0 to 1"):
        plots.attention_arcs(attention, WORDS, [(5, 0)])
    with pytest.raises(InterpError, match="1 to 4"):
        plots.attention_matrices(attention, [(0, 0)] * 5)
    with pytest.raises(InterpError, match="0 to 14"):
        plots.attention_arcs(attention, WORDS, [(0, 0)], query=99)
    with pytest.raises(InterpError, match="more words than the 3 given"):
        plots.attention_arcs(attention, WORDS[:3], [(0, 0)])
    with pytest.raises(InterpError, match="lacks: q"):
        plots.effect_map(random_effects(1, 1).drop(columns="q"))
    two = pd.concat([random_effects(1, 1), random_effects(1, 1).assign(seed=1)])
    with pytest.raises(InterpError, match="seed: 0, 1"):
        plots.effect_map(two)
    with pytest.raises(InterpError, match="give \\(site, layer, head\\)"):
        plots.attention_arcs(pd.concat([attention, attention.assign(site="cross")]), WORDS, [(0, 0)])


def test_plots_need_neither_torch_nor_pyplot():
    code = "import sys, interp.plots; print({'torch', 'transformers', 'matplotlib.pyplot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- words of any script


SCRIPTS = [
    "第一次世界大戦は",
    "เป็น",
    "हूँ",
    "שָׁלוֹם",
    "العَرَبِيَّة",
    "\x1b[31m",
    "\u202edet",
    "❤\ufe0e",
    "$x_{",
    "n" * 300,
    "大戦争でありました" * 20,
]


def test_words_of_any_script_and_length_are_drawn_without_a_warning(tmp_path: Path) -> None:
    # warnings are errors here
    rows = [(q, SCRIPTS[q], k, SCRIPTS[k], 0.5) for q in range(len(SCRIPTS)) for k in range(len(SCRIPTS)) if q != k]
    attention = pd.DataFrame(rows, columns=["query", "query_word", "key", "key_word", "mass"])
    attention = attention.assign(site="self", layer=0, head=0)
    candidates = attention[attention["query"] == 0].rename(columns={"key": "candidate", "key_word": "candidate_word"})
    for figure in (
        plots.attention_arcs(attention, SCRIPTS, [(0, 0)]),
        plots.attention_matrices(attention, [(0, 0)]),
        plots.candidate_bars(candidates),
    ):
        figure.savefig(tmp_path / "figure.pdf")
        figure.savefig(tmp_path / "figure.png")
        figure.canvas.draw()
        assert figure._repr_png_()[:4] == b"\x89PNG"  # type: ignore[attr-defined]


def test_words_without_a_glyph_are_known() -> None:
    """Each once, however many labels show it; the font has Latin, Cyrillic and Arabic letters and no Japanese."""
    words = ["élève", "Привет", "العربية", "日本", "日本", "語の", "it's", "−.…"]
    figure = plots.attention_matrices(random_attention(1, 1, words), [(0, 0)])
    assert without_glyph([figure, figure]) == {"日本", "語の"}
    assert without_glyph([plots.attention_matrices(random_attention(), [(0, 0)])]) == set()


@pytest.mark.parametrize("count", [3, 26])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("word", ["its", "extraordinary", "n" * 60])
def test_labels_of_matrices_are_whole(count: int, heads: int, word: str) -> None:
    attention = random_attention(1, heads, [word] * count)
    figure = plots.attention_matrices(attention, [(0, head) for head in range(heads)])
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.lay_out()  # pyright: ignore[reportAttributeAccessIssue]
    for axes in figure.axes:
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            box = label.get_window_extent(renderer)
            assert min(box.x0, box.y0) > -0.5 and box.x1 < figure.bbox.width + 0.5


def test_a_long_label_is_cut_and_a_short_one_whole() -> None:
    assert short("obj.to_governor") == "obj.to_governor"
    assert short("n" * 300).endswith("n…") and text_width(short("n" * 300)) < LONGEST_LABEL + 10
