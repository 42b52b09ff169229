"""Settings that a configuration takes as they are typed: checked here, in one place, before anything is loaded."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from experiments.cli.manifest import flatten
from interp.ablation.gates import check_strengths
from interp.errors import COUNT, InterpError, Range, closest, refusal, require_choice, require_number
from interp.plots.style import WIDTHS, Style
from interp.progress import read_shard

SEED = Range(True, 0, 2**32 - 1)
LIMIT = COUNT._replace(null="all")

# those of an experiment's own are in the annotations of its `run`
NUMBERS = {
    "seed": SEED,
    "keep_every": Range(False, 0, 86400),
    "model.seed": SEED,
    "corpus.seed": SEED,
    "corpus.documents": COUNT,
    "corpus.limit": LIMIT,
    "corpus.first": LIMIT,
    "corpus.length": COUNT._replace(lowest=2),
    "corpus.times": COUNT._replace(lowest=2),
}
CHOICES = {
    "model.init": ("pretrained", "random"),
    "corpus.multiword": ("first", "last", "content"),
    "plots.width": tuple(WIDTHS),
}
SWITCHES = ("json", "quiet", "plan", "corpus.subtypes")
TEXTS = ("device", "dtype", "model.device", "model.dtype", "model.path", "model.name", "corpus.path")
ASKED_OF_A_SENTENCE = {
    "text": "corpus.text",
    "words": "corpus.words",
    "query": "experiment.query",
    "candidates": "experiment.candidates",
    "explained_by": "experiment.explained_by",
}


def check(config: Mapping[str, Any]) -> None:
    """Raises `InterpError` for the first setting of a resolved configuration that has a value it cannot have."""
    flat = flatten(config)
    for key, allowed in NUMBERS.items():
        if key in flat:
            require_number(key, flat[key], allowed)
    for key, options in CHOICES.items():
        if key in flat:
            require_choice(key, flat[key], options)
    if not isinstance(gate := flat.get("gate", "on"), bool) and gate not in ("on", "off"):
        raise InterpError(f"gate={'null' if gate is None else gate} is not known. {closest(gate, ('on', 'off'))}")
    # as a text: YAML could read another kind of number in it
    if flat.get("shard") is not None:
        read_shard(str(flat["shard"]))
    for key in SWITCHES:
        if key in flat and not isinstance(flat[key], bool):
            raise refusal(key, flat[key], "true or false")
    for key in TEXTS:
        if key in flat and not isinstance(flat[key], str):
            raise refusal(key, flat[key], f"a text (in quotes where it looks like a number: {key}=\"'7'\")")
    candidates = flat.get("candidates")
    if not isinstance(candidates, list | None) or any(not isinstance(word, str | int) for word in candidates or ()):
        raise refusal("candidates", candidates, "words or their numbers in brackets: candidates=[quiz,student]")
    words = flat.get("words")
    if not isinstance(words, str | list | None) or words == [] or any(not isinstance(w, str) for w in words or ()):
        raise refusal(
            "words", words, "the words of the sentence in brackets or with spaces between them: words=[it,'s]"
        )
    if not isinstance(flat.get("query"), str | int | None):
        raise refusal("query", flat["query"], "a word of the sentence, or its number from 0")
    if not isinstance(flat.get("explained_by"), str | None):
        raise refusal("explained_by", flat["explained_by"], "the folder of a run of experiment=explain, or null")
    if not isinstance(flat.get("model.label"), str | None):
        raise refusal("model.label", flat["model.label"], "a name (in quotes where it looks like a number), or null")
    if not isinstance(flat.get("plots.theme"), str | None):
        raise refusal("plots.theme", flat["plots.theme"], "the path of a style file of matplotlib, or null")
    if not isinstance(flat.get("pruning.role"), str | None):
        raise refusal("pruning.role", flat["pruning.role"], "the name of a role, such as obj.to_governor, or null")
    if "gates.strengths" in flat:
        check_strengths(flat["gates.strengths"])
    for key, used in ASKED_OF_A_SENTENCE.items():
        if flat.get(key) is not None and used not in flat:
            raise InterpError(f"{key}=… is given, and nothing here reads it. Add experiment=sentence, or leave it out.")


def make(config: DictConfig) -> None:
    """Makes the criteria, the plan and the style of a run, which check themselves, before anything is loaded.

    Raises `InterpError` for a value that one of them, or a parameter of the experiment, cannot have.
    """
    for section in ("classify", "ablation", "plots"):
        if config.get(section) is None:
            continue
        try:
            instantiate(config[section], _convert_="all")
        except InstantiationException as error:
            raise error.__cause__ if isinstance(error.__cause__, InterpError) else error from None
    for name, (setting, allowed) in ranges(config.experiment).items():
        require_number(setting, config.experiment[name], allowed)


def make_style(config: DictConfig) -> Style:
    """How the figures of a run are to look; a theme's file is read now, whatever becomes of it while the run works."""
    return instantiate(config.plots)


def ranges(experiment: DictConfig) -> dict[str, tuple[str, Range]]:
    """By parameter of an experiment that says its range (`Annotated[float, SHARE]`): its setting's name, and the range.

    A setting has the name of what its value is taken from (`${copying.threshold}`), if it is, else `experiment.NAME`.
    """
    typed: Any = OmegaConf.to_container(experiment, resolve=False)
    found: dict[str, tuple[str, Range]] = {}
    run = instantiate({"_target_": experiment["_target_"], "_partial_": True})
    for name, parameter in signature(run).parameters.items():
        allowed = [one for one in getattr(parameter.annotation, "__metadata__", ()) if isinstance(one, Range)]
        if name in typed and allowed:
            taken = str(typed[name]).startswith("${")
            found[name] = typed[name][2:-1] if taken else f"experiment.{name}", allowed[0]
    return found
