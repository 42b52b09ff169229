"""Which of Hydra's launchers are installed here."""

from importlib.util import find_spec


def is_installed(plugin: str) -> bool:
    """Whether Hydra would find this plugin, such as `hydra_joblib_launcher`."""
    # without any plugin there is not even the package of all
    return find_spec("hydra_plugins") is not None and find_spec(f"hydra_plugins.{plugin}") is not None
