"""What a paper takes from a run: tables that compile and say what the run's tables say, and a methods section."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import interp as library
from interp.paper import FigureOfRun, figure_texts, paper_texts
from interp.paper.escaping import escaped, in_comment
from interp.paper.latex import as_latex, estimate, number, probability
from interp.paper.references import BY_KEY, REFERENCES, bibliography, named_in
from interp.paper.selections import any_table, effects_of_a_paper, roles_of_a_paper
from interp.results import file_name, save_texts
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Finished, Outcome

pytest_plugins = ("tests.support.command_line",)

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed: apt-get install texlive-latex-recommended"
)

HOSTILE = (
    "<script>alert(1)</script>",
    "$x_1$",
    r"\write18{touch written}",
    r"\input{/etc/passwd}",
    r"\end{document}",
    "100 % & more # ~ ^ | \" ` ' -- --- ?` !` << >> ,, [x] *",
    "%",
    "🙂",
    "مرحبا",
    "日本語",
    "éàüçñåøßłőşžđąþ İıj́",
    "αβγ Σ → ≤ × …  “q” ‘q’",
    "a\nb\tc\rd\x1b[0m\u2028e\u202ef",
    "\ud800",
    "{",
    "}",
    "\\",
    "_^_",
)


# --- it compiles


def document(folder: Path) -> Path:
    """A paper that takes everything which a run has left for one, as its comments say."""
    inputs = [f"\\input{{tables/{path.stem}}}" for path in sorted((folder / "tables").glob("*.tex"))]
    assert inputs
    text = "\n".join(
        [
            r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{methods}",
            *inputs,
            r"\bibliographystyle{plain}\bibliography{references}\end{document}",
        ]
    )
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    return folder / "paper.tex"


def compiled(folder: Path) -> str:
    """The log of the last pass; what stops pdflatex or bibtex, or warns of a citation, fails."""
    source = document(folder)
    for program in ("pdflatex", "bibtex", "pdflatex", "pdflatex"):
        options = ["-interaction=nonstopmode", "-halt-on-error"] if program == "pdflatex" else []
        done = subprocess.run(
            [program, *options, source.stem], cwd=folder, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    # of a font without a sign LaTeX takes another's
    missing = [line for line in log.splitlines() if "undefined" in line and "Font shape" not in line]
    assert not missing, missing
    assert "Missing character" not in log
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF-")
    return log


def words_in(pdf: Path) -> str:
    """Its text without spaces and underscores: in TeX's first fonts these are no letters."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: apt-get install poppler-utils")
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, check=True, timeout=60)
    return as_extracted(done.stdout.decode("utf-8"))


def as_extracted(text: str) -> str:
    return re.sub(r"[\s_]+", "", text).translate(str.maketrans("’‘–—", "'`--"))


def lay_out(folder: Path, texts: Mapping[str, str]) -> None:
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


@needs_latex
def test_the_paper_of_an_atlas_compiles(atlas_run: "Finished", tmp_path: Path) -> None:
    for name in ("methods.tex", "references.bib"):
        shutil.copy(atlas_run.folder / name, tmp_path / name)
    shutil.copytree(atlas_run.folder / "tables", tmp_path / "tables")
    compiled(tmp_path)
    found = words_in(tmp_path / "paper.pdf")
    assert "offset-1" in found and "Benjamini" in found and "References" in found


@needs_latex
def test_a_sentence_of_commands_and_foreign_letters_compiles(interp: Callable[..., "Outcome"], tmp_path: Path) -> None:
    words = r"<script> $x_1$ \write18{touch written} 🙂 مرحبا 100% a_b #1 ~ ^"
    label = "model.label='$m_1$ <b>%'"
    outcome = interp("experiment=sentence", "model=small", f"text={words}", "query=5", "hydra.run.dir=run", label)
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    compiled(run)
    assert not (run / "written").exists()
    found = words_in(run / "paper.pdf")
    for shown in ("<script>", "$x_1$", r"\write18{touch", "U+1F642", "U+0645", "100%", "#1"):
        assert as_extracted(shown) in found, shown
    markdown = (run / "methods.md").read_text(encoding="utf-8")
    # in a span of code, where HTML is text
    assert re.search(r"`[^`]*<script>[^`]*`", markdown) and "<script>" not in re.sub(r"`[^`]*`", "", markdown)


@needs_latex
def test_every_text_is_shown_as_it_is_and_none_is_run(tmp_path: Path) -> None:
    # half a character is in no table: pandas refuses it
    table = pd.DataFrame({f"word {text}": [text, f"{text}{text}"] for text in HOSTILE if text != "\ud800"})
    parts = {f"part{number}": table[[column]] for number, column in enumerate(table)}
    texts = {
        f"tables/{name}.tex": as_latex(name, any_table(name, part), made_by=" ".join(HOSTILE), made_from="\n\\bad")
        for name, part in parts.items()
    }
    lay_out(tmp_path, texts | {"methods.tex": escaped(" ".join(HOSTILE)), "references.bib": ""})
    source = document(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "paper.tex").write_text(re.sub(r"\\bibliography.*?(?=\\end\{document\})", "", source, flags=re.DOTALL))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"],
        cwd=tmp_path, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    assert not (tmp_path / "written").exists()
    found = words_in(tmp_path / "paper.pdf")
    for shown in ("$x_1$", r"\write18{touch written}", r"\input{/etc/passwd}", "U+65E5", "[x] *", "---", "U+000A"):
        assert as_extracted(shown) in found, shown


def test_no_ascii_character_is_left_that_tex_would_act_on() -> None:
    # each special character stands behind a backslash or is gone
    for character in "$&%#_{}":
        assert escaped(character) == f"\\{character}"
    for character in "~^\\":
        assert character not in escaped(character).replace("\\text", "")
    assert escaped("a--b---c") == "a-{}-b-{}-{}-c"
    assert escaped("[CLS]").startswith("{")
    assert escaped("*").startswith("{")
    assert all(" " <= one <= "~" for text in HOSTILE for one in escaped(text))
    assert "\n" not in in_comment("a\nb\rc\u2028d") and in_comment("a\nb") == "aU+000Ab"


# --- numbers


def test_numbers_are_written_as_a_paper_writes_them() -> None:
    assert estimate(0.738, 0.701, 0.7849) == "0.74 [0.70, 0.78]"
    assert estimate(-0.08, -0.11, 0.05) == "$-$0.08 [$-$0.11, 0.05]"
    assert estimate(0.5, None, None) == "0.50"
    assert number(12345.678) == "12,345.68"
    assert number(float("inf")) == r"$\infty$" and number(None) == "--"
    assert number(-0.0) == "0.00"
    assert number(0.0031) == r"$3.1\times10^{-3}$"
    assert probability(0.0123) == "0.012" and probability(4.5e-7) == r"$4.5\times10^{-7}$"


# --- what is bold


def scores_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table `scores` of these rows, in both halves; `select` is the lift on that half, `lift` the one on confirm."""
    fixed = {"model": "m", "corpus": "c", "seed": 0, "definition": "d@1", "family": "f", "site": "self", "n": 60,
             "word_mass": 1.0, "baseline": 0.2, "baseline_name": "offset-1", "statistic": "hit", "guess_pos": "",
             "lift_pos": None, "lift_pos_low": None, "lift_pos_high": None, "p_max_t": 0.5, "p": 0.001}  # fmt: skip
    found = []
    for row in rows:
        confirm = fixed | row
        confirm |= {"hit": confirm["lift"] + 0.2, "mass": 0.1}
        confirm |= {"ci_low": confirm["lift"] - 0.04, "ci_high": confirm["lift"] + 0.04}
        found += [confirm | {"split": "select", "lift": row["select"], "q": None}, confirm | {"split": "confirm"}]
    return pd.DataFrame(found).astype({"lift_pos": float, "lift_pos_low": float, "lift_pos_high": float, "q": float})


def bold_rows(text: str) -> list[str]:
    """The first cells of the rows in bold."""
    rows = [line for line in text.splitlines() if line.rstrip().endswith("\\\\") and "&" in line]
    first = [row.split("&")[0].replace(r"\star", "*") for row in rows if r"\bfseries" in row]
    return [re.sub(r"\\[a-z]+|[{}$^\\]", "", cell).strip() for cell in first]


def test_bold_is_what_the_caption_says_and_heads_are_those_of_select() -> None:
    over = {"guess_pos": "previous tag VERB", "lift_pos": 0.1, "lift_pos_low": 0.02, "lift_pos_high": 0.2}
    not_over = over | {"lift_pos_low": -0.01}
    scores = scores_of(
        [
            {"role": "plain", "layer": 0, "head": 1, "select": 0.5, "lift": 0.54, "q": 0.01},
            # the larger lift on confirm was not chosen
            {"role": "plain", "layer": 0, "head": 2, "select": 0.4, "lift": 0.9, "q": 0.001},
            {"role": "unsure", "layer": 1, "head": 0, "select": 0.3, "lift": 0.3, "q": 0.051},
            {"role": "over", "layer": 1, "head": 1, "select": 0.3, "lift": 0.28, "q": 0.05, **over},
            {"role": "not_over", "layer": 1, "head": 2, "select": 0.3, "lift": 0.27, "q": 0.01, **not_over},
            {"role": "untested", "layer": 1, "head": 3, "select": 0.9, "lift": 0.9, "q": None, "p": None},
        ]
    )  # fmt: skip
    roles = pd.DataFrame([{"role": "plain", "site": "self", "layer": 0, "head": 1}])
    paper = roles_of_a_paper(scores, roles, {"alpha": 0.05, "correction": "bh"})
    text = as_latex("roles", paper, made_by="interp", made_from="scores.csv")
    assert bold_rows(text) == ["plain*", "over"]
    assert r"q \le 0.05" in text and "annotation baseline" in text
    assert "0.54 [0.50, 0.58]" in text and "0.90" not in text.split("midrule")[1]
    assert "untested" not in text.split("midrule")[1] and "1 roles that could not be tested" in text
    corrected = roles_of_a_paper(scores, roles, {"alpha": 0.05, "correction": "max_t"})
    assert bold_rows(as_latex("roles", corrected, made_by="", made_from="")) == []


def test_bold_in_a_run_is_what_its_csv_says(atlas_run: "Finished") -> None:
    scores = pd.read_csv(atlas_run.folder / "scores.csv", na_values=[""], keep_default_na=False)
    wide = scores[scores.p.notna()].pivot_table(
        index=["role", "layer", "head"], columns="split", values=["lift", "q", "lift_pos", "lift_pos_low"]
    )
    wanted = set()
    for role, heads in wide.groupby("role"):
        best = heads.sort_values(("lift", "select")).iloc[-1]
        annotated = ("lift_pos", "confirm") in best and pd.notna(best["lift_pos", "confirm"])
        if best["q", "confirm"] <= 0.05 and (not annotated or best["lift_pos_low", "confirm"] > 0):
            wanted.add(str(role))
    text = (atlas_run.folder / "tables" / "roles.tex").read_text(encoding="utf-8")
    assert {name.removesuffix("*") for name in bold_rows(text)} == wanted
    shown = text.split(r"\midrule")[1].count("&") // 7
    assert 0 < len(wanted) < shown or not wanted


def test_effects_are_the_largest_of_each_metric_and_untested_ones_are_never_bold() -> None:
    rows = [
        {"site": "self", "layer": 0, "head": head, "ablation": "mean", "metric": metric, "n": 9, "intact": 1.0,
         "effect": effect, "ci_low": effect - 0.01, "ci_high": effect + 0.01,
         "q": q if metric == "log_prob" else None}
        for metric in ("log_prob", "kl")
        for head, (effect, q) in enumerate([(0.1, 0.2), (0.3, 0.05), (0.2, 0.0501)] + [(0.0, 1.0)] * 40)
    ]  # fmt: skip
    text = as_latex("effects", effects_of_a_paper(pd.DataFrame(rows), 0.05), made_by="interp", made_from="effects.csv")
    body = text.split(r"\midrule")[1]
    assert bold_rows(body) == ["0.1"]
    assert body.index("0.300 [0.290, 0.310]") < body.index("0.200 [0.190, 0.210]") < body.index("0.100 [0.090")
    assert "nats per token" in body and body.count("&") // 4 <= 30
    assert "56 rows of heads with smaller effects: effects.csv" in text


def test_a_long_table_says_what_it_leaves_out() -> None:
    table = pd.DataFrame(
        {"thing": [f"thing {n}" for n in range(100)], "value": 0.5, "value_low": 0.4, "value_high": 0.6}
    )
    text = as_latex("mine", any_table("mine", table), made_by="interp", made_from="mine.csv")
    assert text.count("    thing ") == 31 and "0.50 [0.40, 0.60]" in text
    assert "% Left out: 70 of 100 rows: mine.csv." in text


# --- methods


@pytest.fixture(scope="module")
def definitions() -> pd.DataFrame:
    return library.definitions()


@pytest.fixture
def run(atlas_run: "Finished") -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    manifest = json.loads((atlas_run.folder / "manifest.json").read_text(encoding="utf-8"))
    return {name: pd.read_parquet(atlas_run.folder / f"{name}.parquet") for name in manifest["tables"]}, manifest


def test_methods_say_what_the_manifest_says(atlas_run: "Finished", run: Any) -> None:
    _, manifest = run
    text = (atlas_run.folder / "methods.md").read_text(encoding="utf-8")
    for stated in (
        "`tiny`",
        manifest["model"]["weights_sha256"][:16],
        manifest["corpus"]["sha256"][:16],
        "80 documents of 480 words, from 40 source documents",
        "at least 5 scored queries in 3 blocks",
        "averaged over 30 documents",
        "replaced by its mean over all positions",
        "`syntax/to-governor@1` (Clark et al. 2019)",
        manifest["project"]["commit"],
        f"torch {manifest['packages']['torch']}",
        "seed 0",
        "validated the hooks on the model",
    ):
        assert stated in text, stated
    for not_done in ("generated", "switched off", "shared out", "not trained", "max-T", "the first"):
        assert not_done not in text, not_done
    assert str(atlas_run.folder) not in text and manifest["started"] not in text


def test_methods_say_what_was_otherwise(run: Any, definitions: pd.DataFrame) -> None:
    tables, manifest = run
    changed = json.loads(json.dumps(manifest))
    changed["gate"] |= {"status": "off", "checks": {}}
    changed["corpus"]["generated"] = True
    changed["config"]["model"]["init"] = "random"
    changed["config"]["classify"]["correction"] = "max_t"
    changed["config"]["ablation"]["replacement"]["_target_"] = "interp.ablation.replacements.zero"
    changed["shards"] = {"1/2": "a", "2/2": "b"}
    text = paper_texts(tables, changed, definitions, file_name)["methods.md"]
    for stated in (
        "The hooks were not validated on this model",
        "It was generated: intervals and p-values describe its generator",
        "not trained",
        "single-step max-T (Westfall & Young 1993)",
        "replaced by zero (Michel et al. 2019)",
        "shared out to 2 runs",
    ):
        assert stated in text, stated
    assert "validated the hooks on the model (" not in text and "mean over all positions" not in text


def test_the_same_run_gives_the_same_texts(run: Any, definitions: pd.DataFrame) -> None:
    tables, manifest = run
    assert paper_texts(tables, manifest, definitions, file_name) == paper_texts(
        tables, manifest, definitions, file_name
    )


def test_an_experiment_that_measured_nothing_has_no_methods(definitions: pd.DataFrame) -> None:
    assert paper_texts({"definitions": definitions}, {"status": "running"}, definitions, file_name) == {}


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a b_c", "%x$", "<script>", "n" * 300, "."])
def test_the_name_of_a_table_is_never_a_path(name: str, definitions: pd.DataFrame, tmp_path: Path) -> None:
    texts = paper_texts({name: pd.DataFrame({"lift": [1.0]})}, {}, definitions, file_name)
    (tmp_path / "run").mkdir()
    save_texts(tmp_path / "run", texts)
    assert {path.parent for path in tmp_path.rglob("*.tex")} == {tmp_path / "run" / "tables"}
    [text] = texts.values()
    assert re.search(r"\\label\{tab:[A-Za-z0-9_. -]+\}", text)


# --- references


def test_every_source_of_a_definition_is_cited_or_is_known_to_be_no_paper(definitions: pd.DataFrame) -> None:
    own = ("This project", "the diagonal over the rows that can be right", "The diagonal of tags", "the local kernel",
           "how much of a head", "how like a convolution", "how wide the kernel", "where the kernel",
           "ARENA 3.0", "the diagonal of ARENA 3.0")  # fmt: skip
    for source in definitions.source:
        assert named_in(source) or source.startswith(own), source
    years = {year for source in definitions.source for year in re.findall(r"[A-Z]\w+ (?:et al\. |& \w+ )\d{4}", source)}
    assert years <= {reference.cited_as for reference in REFERENCES}


def test_what_is_cited_is_in_the_bibliography_and_nothing_else(atlas_run: "Finished") -> None:
    text = (atlas_run.folder / "methods.tex").read_text(encoding="utf-8")
    cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", text) for key in keys.split(",")}
    entries = re.findall(
        r"^@\w+\{(\w+),", (atlas_run.folder / "references.bib").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert cited == set(entries) and len(entries) == len(set(entries))
    assert {"clark2019", "voita2019", "benjamini1995", "hesterberg2015"} <= cited and "michel2019" not in cited


@needs_latex
def test_bibtex_reads_every_reference(tmp_path: Path) -> None:
    (tmp_path / "references.bib").write_text(bibliography(BY_KEY), encoding="utf-8")
    cites = r"\nocite{*}\bibliographystyle{plain}\bibliography{references}"
    text = rf"\documentclass{{article}}\begin{{document}}{cites}\end{{document}}"
    (tmp_path / "paper.tex").write_text(text, encoding="utf-8")
    for program in (["pdflatex", "-interaction=batchmode"], ["bibtex"], ["pdflatex", "-halt-on-error"]):
        done = subprocess.run([*program, "paper"], cwd=tmp_path, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout.decode(errors="replace")
    log = (tmp_path / "paper.blg").read_text(encoding="utf-8")
    assert "Warning" not in log, log


@needs_latex
def test_the_paper_to_begin_with_is_made_of_a_run_alone(atlas_run: "Finished", tmp_path: Path) -> None:
    command = rf"\def\run{{{atlas_run.folder}}}\input{{{ROOT / 'docs' / 'paper'}}}"
    for program in ("pdflatex", "bibtex", "pdflatex", "pdflatex"):
        options = ["-interaction=nonstopmode", "-halt-on-error", command] if program == "pdflatex" else ["paper"]
        done = subprocess.run([program, *options], cwd=tmp_path, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    log = (tmp_path / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert not [line for line in log.splitlines() if "undefined" in line and "Font shape" not in line]
    found = words_in(tmp_path / "paper.pdf")
    captions = (atlas_run.folder / "figures" / "captions.md").read_text(encoding="utf-8")
    assert "Whateachheaddoesagainstwhatitisfor" in found and "What each head does against what it is for" in captions
    assert "Bestheadofeachrole" in found and "Benjamini" in found


def test_a_caption_is_text_and_wide_figures_span_both_columns() -> None:
    texts = figure_texts({"a": FigureOfRun("100 % of $x$ \\bad", True), "b": FigureOfRun("n_1", False)})
    assert list(texts) == ["figures/a.tex", "figures/b.tex"]
    assert r"\caption{100 \% of \$x\$ \textbackslash{}bad}" in texts["figures/a.tex"]
    assert r"\begin{figure*}" in texts["figures/a.tex"] and r"\begin{figure}" in texts["figures/b.tex"]
    assert r"\includegraphics[width=\linewidth]{figures/b.pdf}" in texts["figures/b.tex"]


@pytest.mark.parametrize(("letters", "environment"), [(8, "table"), (30, "table*")])
def test_a_table_wider_than_a_column_spans_both(letters: int, environment: str) -> None:
    table = any_table("t", pd.DataFrame({name: ["x" * letters] for name in ("one", "two")}))
    assert rf"\begin{{{environment}}}[tbp]" in as_latex("t", table, made_by="", made_from="")
