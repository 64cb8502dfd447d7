"""What a wallet pays for gas.  The node proposes fees and is not trusted: a proposal above these bounds is not paid.

- The tip: at most the base fee, or ``FREE_TIP`` where that is less.
- The base fee: it changes by at most an eighth a block (EIP-1559), so a proposal that rises faster is cut.  The number
  of blocks is the node's word, too: if that is false, only the next two bounds hold.
- Both together: at most ``max_fee`` per gas; the caller waits while gas costs more.
- All that one wallet can spend on gas in a session: at most ``gas_cap``.  Signed transactions count with their limits,
  not with what the node reports about them, and also those that were signed for a chain that was replaced.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from learnae.adapters.evm.rpc import BlockHeader, parse_bytes
from learnae.errors import PortError, Reason
from learnae.messages.transaction import parse
from learnae.protocol.blockchain import Signed
from learnae.protocol.settings import ChainSettings
from learnae.protocol.types import Wei

DEFAULT_TIP = Wei(10**9)  # wei per gas for the block producer, if the node suggests none
FREE_TIP = Wei(2 * 10**9)  # wei per gas that a tip may be, however low the base fee


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas: for the block producer, and the maximum in total."""

    tip: int
    max: int

    def raised(self, times: int = 1) -> "Fees":
        """Nodes require a tenth more for a replacement; this is an eighth more, each time."""
        fees = self
        for _ in range(times):
            fees = Fees(_raise_by_eighth(fees.tip), _raise_by_eighth(fees.max))
        return fees

    def at_least(self, other: "Fees") -> "Fees":
        return Fees(max(self.tip, other.tip), max(self.max, other.max))


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """What a signed transaction can spend at most, in wei."""

    fees: Fees
    gas: int
    value: int

    @staticmethod
    def of(signed: Signed) -> "TransactionLimits":
        fields = parse(parse_bytes(signed.raw))
        fees = Fees(fields["maxPriorityFeePerGas"], fields["maxFeePerGas"])
        return TransactionLimits(fees, fields["gas"] * fees.max, fields["value"])


@dataclass
class FeePolicy:
    """The bounds of one wallet, and what it has signed so far.  ``gas_cap``: None if it has a cap of its own."""

    max_fee: Wei
    gas_cap: Wei | None = None
    _gas: dict[tuple[str, int], int] = field(default_factory=dict)  # max wei by genesis and nonce, of all its versions
    _base: tuple[str, int, int] | None = None  # genesis, block and base fee that were accepted last

    @staticmethod
    def of(settings: ChainSettings) -> "FeePolicy":
        return FeePolicy(settings.max_fee_wei, settings.gas_cap_wei)

    def suggestion(self, genesis: str, newest: BlockHeader, tip: int, headroom: int) -> Fees:
        """Bounded fees.  ``tip``: the node's suggestion.  ``headroom``: 2 suffices for six full blocks in a row."""
        base = self._bounded_base(genesis, newest)
        tip = min(tip, max(base, FREE_TIP))
        return Fees(tip, headroom * base + tip)

    def check(self, genesis: str, nonce: int, fees: Fees, gas: int) -> None:
        """Raises PortError if this transaction with ``gas`` units is not to be signed."""
        if fees.max > self.max_fee:
            raise PortError(Reason.INVALID_RESPONSE, f"a fee of {fees.max} wei per gas")
        others = sum(wei for key, wei in self._gas.items() if key != (genesis, nonce))
        most = max(self._gas.get((genesis, nonce), 0), gas * fees.max)
        if self.gas_cap is not None and others + most > self.gas_cap:
            raise PortError(Reason.GAS_CAP, f"{others + most} wei of gas")

    def count(self, signed: Iterable[Signed]) -> None:
        """Count what was signed, now or by an earlier process."""
        for transaction in signed:
            key = (transaction.genesis, transaction.nonce)
            self._gas[key] = max(self._gas.get(key, 0), TransactionLimits.of(transaction).gas)

    def _bounded_base(self, genesis: str, newest: BlockHeader) -> int:
        base = min(int(newest.base_fee), int(self.max_fee))
        if self._base and self._base[0] == genesis:
            _, block, limit = self._base
            for _ in range(abs(newest.number - block)):
                if limit >= base:
                    break
                limit = max(_raise_by_eighth(limit), 1)
            base = min(base, limit)
        self._base = (genesis, newest.number, base)
        return base


def _raise_by_eighth(wei: int) -> int:
    return -(-wei * 9 // 8)
