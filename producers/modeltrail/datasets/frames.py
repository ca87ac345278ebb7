"""The identity of data in memory: pandas DataFrames and NumPy arrays. It imports neither: whoever has one has it.

``pandas:HEX`` is the SHA-256 over column names, dtypes and pandas' own hash of every row, the index included;
``numpy:HEX`` over dtype, shape and bytes. Both are hashed in the caller's thread, because the caller may change
them next, and given up past the budget rather than sampled.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from modeltrail_schemas.event import Field, Strength

from modeltrail.datasets.identity import Identity

CELLS_PER_STEP = 1_000_000
MAX_FIELDS = 10_000


class OverBudgetError(Exception):
    """Hashing took longer than it may."""


def identify_frame(data: Any, *, out_of_time: Callable[[], bool]) -> Identity | None:
    """Return the identity of a frame or array, None for any other type.

    Over budget, or with cells that have no hash, its strength is ``none``; rows and fields are known all the same.
    """
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(data, pandas.Series):
        data = data.to_frame()
    if pandas is not None and isinstance(data, pandas.DataFrame):
        fields = [Field(str(name), str(dtype)) for name, dtype in zip(data.columns, data.dtypes, strict=True)]
        known = Identity(rows=len(data), fields=tuple(fields[:MAX_FIELDS]), format="dataframe", provider="pandas")
        digest = _digest(lambda: _hash_frame(pandas, data, fields, out_of_time))
    elif numpy is not None and isinstance(data, numpy.ndarray):
        rows = int(data.shape[0]) if data.ndim else 1
        fields = [Field("", f"{data.dtype}{list(data.shape[1:]) or ''}")]
        known = Identity(rows=rows, fields=tuple(fields), bytes=int(data.nbytes), format="array", provider="numpy")
        digest = _digest(lambda: _hash_array(numpy, data, out_of_time))
    else:
        return None
    return replace(known, digest=digest, strength=Strength.CONTENT) if digest else known


def _digest(work: Callable[[], str]) -> str:
    try:
        return work()
    except (OverBudgetError, TypeError, ValueError):
        return ""


def _hash_frame(pandas: Any, frame: Any, fields: list[Field], out_of_time: Callable[[], bool]) -> str:
    whole = hashlib.sha256(repr([(field.name, field.type) for field in fields]).encode("utf-8", "surrogatepass"))
    step = max(CELLS_PER_STEP // max(len(fields), 1), 1)
    for start in range(0, len(frame), step):
        if out_of_time():
            raise OverBudgetError
        hashes = pandas.util.hash_pandas_object(frame.iloc[start : start + step], index=True)
        whole.update(hashes.to_numpy().astype("<u8").tobytes())
    return f"pandas:{whole.hexdigest()}"


def _hash_array(numpy: Any, array: Any, out_of_time: Callable[[], bool]) -> str:
    if array.dtype.hasobject:
        raise TypeError("an array of objects has no bytes of its own")
    whole = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    flat = numpy.ascontiguousarray(array).reshape(-1)
    for start in range(0, flat.size, CELLS_PER_STEP):
        if out_of_time():
            raise OverBudgetError
        whole.update(flat[start : start + CELLS_PER_STEP].tobytes())
    return f"numpy:{whole.hexdigest()}"
