"""Results as tables of xarray and pandas, which the extra ``notebook`` brings."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.results.codec import JsonObject
from seewhy.results.record import Record

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset


def as_dataset(maps: Mapping[str, Map], stderr: Mapping[str, Map], record: Record) -> "Dataset":
    """Return maps and standard errors as a dataset; see `seewhy.Explanation.to_xarray`."""
    left, top, right, bottom = record.view.box
    rows, columns = record.view.size
    nothing = np.full(record.view.size, np.nan, np.float32)
    dimensions = ("target", "row", "column")
    dataset: Dataset = _imported("xarray").Dataset(
        {
            "value": (dimensions, np.stack(list(maps.values()))),
            "stderr": (dimensions, np.stack([stderr.get(key, nothing) for key in maps])),
        },
        coords={
            "target": list(maps),
            "label": ("target", [record.target(key).label for key in maps]),
            "unit": ("target", [record.unit_of(record.target(key)) for key in maps]),
            "row": top + (np.arange(rows) + 0.5) * (bottom - top) / rows,
            "column": left + (np.arange(columns) + 0.5) * (right - left) / columns,
        },
        attrs={"unit": record.unit, "image": record.image.name, "method": record.method.spec},
    )
    return dataset


def as_frame(rows: Sequence[JsonObject]) -> "DataFrame":
    """Return rows with the same keys as a data frame."""
    frame: DataFrame = _imported("pandas").DataFrame(list(rows))
    return frame


def _imported(package: str) -> ModuleType:
    """Import a package of the extra, or say how to install it."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise RequestError(f"{package} is not installed; run: pip install 'seewhy[notebook]'") from error
