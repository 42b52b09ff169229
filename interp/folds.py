"""What a loop over a corpus leaves behind, and how it is taken up again: a fold is its state, and states add up."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

State = Mapping[str, np.ndarray]
"""Arrays by name. Those of two parts of the work add up, name by name; a name that one part lacks is the other's."""


@runtime_checkable
class Fold(Protocol):
    """What is folded in, item by item: sums, or rows."""

    def state(self) -> State:
        """All that was folded in; the arrays are the fold's own, as they are until more is folded in."""
        ...

    def restore(self, state: State) -> None:
        """From now on just this was folded in, and its arrays are the fold's; nothing at all for an empty state."""
        ...


def added(one: State, other: State) -> State:
    """The state of both parts together; the arrays of `one` are written over."""
    summed = dict(one)
    for name, array in other.items():
        if name in summed:
            # a number alone is no array that could be written over
            summed[name] = np.add(summed[name], array, out=summed[name] if summed[name].ndim else None)
        else:
            summed[name] = array
    return {name: np.asarray(array) for name, array in summed.items()}


class Folds:
    """Several folds as one."""

    def __init__(self, *folds: Fold) -> None:
        self._folds = folds

    def state(self) -> State:
        """That of all of them, under their numbers."""
        return {
            f"{number}.{name}": array for number, fold in enumerate(self._folds) for name, array in fold.state().items()
        }

    def restore(self, state: State) -> None:
        """Each takes what is its own."""
        for number, fold in enumerate(self._folds):
            own = {name: array for name, array in state.items() if name.startswith(f"{number}.")}
            fold.restore({name.partition(".")[2]: array for name, array in own.items()})


class Collected:
    """Arrays and tables of each item, kept as they are: for what does not add up."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, item: int, **values: Any) -> None:
        """What one item gives, by name: arrays, numbers, texts or tables."""
        for name, value in values.items():
            if isinstance(value, pd.DataFrame):
                file = BytesIO()
                value.to_parquet(file, index=False)
                value = np.frombuffer(file.getvalue(), dtype=np.uint8)
            elif isinstance(value, str):
                value = np.frombuffer(value.encode(), dtype=np.uint8)
            self._arrays[f"{item:09d} {name}"] = np.asarray(value)

    def arrays(self, name: str) -> list[np.ndarray]:
        """What the items have under this name, in their order."""
        return [self._arrays[key] for key in sorted(self._arrays) if key.partition(" ")[2] == name]

    def texts(self, name: str) -> list[str]:
        """The same of texts."""
        return [array.tobytes().decode() for array in self.arrays(name)]

    def tables(self, name: str) -> list[pd.DataFrame]:
        """The same of tables."""
        return [pd.read_parquet(BytesIO(array.tobytes())) for array in self.arrays(name)]

    def table(self, name: str) -> pd.DataFrame:
        """These tables one below the other."""
        tables = self.tables(name)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def state(self) -> State:
        """Every item's arrays."""
        return dict(self._arrays)

    def restore(self, state: State) -> None:
        """Those of the state and no others."""
        self._arrays = dict(state)


def state_of(owner: object, names: Sequence[str]) -> State:
    """The attributes of these names: numpy arrays, tensors and whole numbers; one that is None is left out."""
    values = {name: getattr(owner, name) for name in names}
    return {name: _array(value) for name, value in values.items() if value is not None}


def restore_to(owner: object, names: Sequence[str], state: State) -> None:
    """Set the attributes of these names to what the state has, each of its own kind; to zeros where it has nothing."""
    for name in names:
        value: Any = getattr(owner, name)
        if value is None:
            continue
        if name not in state:
            new = _zeros(value)
        elif isinstance(value, int):
            new = int(state[name])
        elif isinstance(value, np.ndarray):
            new = state[name]
        else:
            new = value.new_tensor(state[name])
        setattr(owner, name, new)


def _array(value: Any) -> np.ndarray:
    return np.asarray(value) if isinstance(value, int | np.ndarray) else value.cpu().numpy()


def _zeros(value: Any) -> Any:
    if isinstance(value, int):
        return 0
    return np.zeros_like(value) if isinstance(value, np.ndarray) else value.new_zeros(value.shape)
