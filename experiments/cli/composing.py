"""The configuration of a run composed anew from what was typed for it: nothing that a manifest says is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from experiments.cli.error_messages import CONF
from interp.errors import InterpError


def compose_again(manifest: Mapping[str, Any], whose: str) -> tuple[DictConfig, dict[str, Any]]:
    """What was typed, without `shard`, composed here; and the same resolved.

    What is made into objects is what the configuration here, or that of a `--config-dir` of this command, says. Raises
    `InterpError` for a manifest that does not say what was typed, and for a `_target_` that is in neither.
    """
    typed = manifest.get("overrides")
    if not isinstance(typed, list) or not all(isinstance(one, str) for one in typed):
        raise InterpError(f"The manifest of {whose} does not say what was typed. Run {whose} anew.")
    config = compose("config", [one for one in typed if one.lstrip("+").partition("=")[0] != "shard"])
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    foreign = sorted(targets(plain) - _known_targets())
    if foreign:
        raise InterpError(
            f"{whose[0].upper()}{whose[1:]} used _target_={foreign[0]}, which is in no configuration here. What a "
            "manifest says is not run: give the yaml that says so again, with --config-dir."
        )
    return config, plain


def targets(config: object) -> set[str]:
    """Every `_target_` of a configuration."""
    if isinstance(config, Mapping):
        own = {str(config["_target_"])} if "_target_" in config else set()
        return own.union(*(targets(value) for value in config.values()))
    return set().union(*(targets(value) for value in config)) if isinstance(config, list) else set()


def _known_targets() -> set[str]:
    """Those of the configuration of this command."""
    places = [CONF, *(Path(one.path) for one in HydraConfig.get().runtime.config_sources if one.schema == "file")]
    files = [path for place in places for path in place.rglob("*.yaml")]
    return set().union(*(targets(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files))
