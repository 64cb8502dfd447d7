"""What is computed once for a history, or record by record, so that one that grows is not read again.  Pure.

class Crashes(Fold):
    kinds = (PeerCrashed,)

    def __init__(self, history: History) -> None:
        self.count = 0

    def add(self, record: Record) -> None:
        self.count += 1

history.folded(Crashes).count
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

if TYPE_CHECKING:
    from learnae.records.history import History, Record


class Fold(ABC):
    """``kinds``: the facts that it is made of."""

    kinds: ClassVar[tuple[type, ...]]

    @abstractmethod
    def __init__(self, history: "History") -> None:
        """Only roster and session may be read: they stay the same while the history grows."""

    @abstractmethod
    def add(self, record: "Record") -> None: ...


S = TypeVar("S", bound=Fold)
T = TypeVar("T")


class Folds:
    """The folds of one history, and the places of its records by the kind of their fact."""

    def __init__(self) -> None:
        self._states: dict[type[Fold], tuple[Fold, int]] = {}  # each with the number of records that it has seen
        self._places: dict[type, list[int]] = defaultdict(list)
        self._placed = 0

    def places(self, history: "History") -> Mapping[type, list[int]]:
        records = history.records
        for place in range(self._placed, len(records)):
            self._places[type(records[place].fact)].append(place)
        self._placed = len(records)
        return self._places

    def state(self, history: "History", kind: type[S]) -> S:
        known, seen = self._states.get(kind) or (kind(history), 0)
        for place in self._since(history, seen, kind):
            known.add(history.records[place])
        self._states[kind] = known, len(history.records)
        return cast(S, known)

    def _since(self, history: "History", seen: int, kind: type[Fold]) -> Iterator[int]:
        places = self.places(history)
        lists = [places[fact] for fact in kind.kinds if fact in places]
        return iter(sorted(chain.from_iterable(known[bisect_left(known, seen) :] for known in lists)))


def once(compute: Callable[["History"], T]) -> Callable[["History"], T]:
    """Compute it once for each history, as ``cached_property`` does.  No caller may change the result."""
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def computed(history: "History") -> T:
        known: dict[str, T] = vars(history)
        if name not in known:
            known[name] = compute(history)
        return known[name]

    return computed
