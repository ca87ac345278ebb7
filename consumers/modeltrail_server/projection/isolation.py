"""Which records of a batch the database refuses for what they say: found by writing ever smaller parts. Pure.

A refusal halves the part, down to one record, which is then a dead letter; each success doubles it again. So one
culprit among n costs about 2 log2(n) transactions, and culprits in a row one each. Its neighbours are written.
"""

from collections.abc import Sequence

from modeltrail.log.protocol import Record

# Found culprits are written with what follows them, or alone once they are so many.
MAX_REFUSED_AT_ONCE = 32


class Isolation:
    """Goes through ``records``, which follow each other in one partition, in parts that are each a transaction.

    ``part`` is the one to write next, empty at the end; ``reasons`` says, by offset, which of its records are dead
    letters and why. After each: ``written`` or ``refused``.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._start = self._tried_from = 0
        self._size = len(records)
        self.reasons: dict[int, str] = {}

    @property
    def part(self) -> Sequence[Record]:
        """Return the records to write next."""
        return self._records[self._start : self._end]

    def written(self) -> None:
        """Go on after the part."""
        end = self._end
        self._size = 2 * max(1, end - self._tried_from)
        self._start = self._tried_from = end
        self.reasons = {}

    def refused(self, reason: str) -> bool:
        """Make the part smaller, or its one record a dead letter; return False where only dead letters are left."""
        tried = self._end - self._tried_from
        if not tried:
            return False
        if tried == 1:
            self.reasons[self._records[self._tried_from].offset] = reason
            self._tried_from += 1
        self._size = max(1, tried // 2)
        return True

    @property
    def _end(self) -> int:
        size = 0 if len(self.reasons) >= MAX_REFUSED_AT_ONCE else self._size
        return min(self._tried_from + size, len(self._records))
