"""Rules for links: writes the input of iptables-restore and parses the output of iptables-save.  Pure.

All rules are in one chain, to which INPUT jumps first.  Without rules there is neither chain nor jump, so that the
table is restored byte for byte.  Rules match the source address of packets; other addresses are not affected.  The
receiver drops packets, because a sender would notice and send again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from learnae.session.faults import CUT, Link

CHAIN = "LEARNAE"
JUMP = f"-A INPUT -j {CHAIN}"
MIN_BURST = 1 << 14  # bytes: a few packets

# Formatted as iptables-save prints them, so that the parsed rules equal the written ones.
PASS_RESETS = "-p tcp -m tcp --tcp-flags RST RST -j RETURN"
RESET = "-p tcp -j REJECT --reject-with tcp-reset"
DROP = "-j DROP"
LOSE = "-m statistic --mode random --probability {:.8f} -j DROP"
LIMIT = "-m hashlimit --hashlimit-above {rate}b/s --hashlimit-burst {burst}b --hashlimit-name {name} -j DROP"
HOLD = "-j NFQUEUE --queue-num {} --queue-bypass"

RULE = re.compile(rf"(?:\[(\d+):\d+\] )?-A {CHAIN} -s ([\d.]+)/32 (.*)")
LOSING = re.compile(r"-m statistic --mode random --probability ([\d.]+) -j DROP")
LIMITING = re.compile(r"-m hashlimit --hashlimit-above (\d+)([km]?)b/s --hashlimit-burst .* -j DROP")
HOLDING = re.compile(r"-j NFQUEUE --queue-num (\d+) --queue-bypass")
COUNTERS = re.compile(r"\[\d+:\d+\]")
UNIT = {"": 1, "k": 1 << 10, "m": 1 << 20}

Links = Mapping[str, Link]  # by source address; normal links are left out


@dataclass(frozen=True, slots=True)
class LinkRules:
    """The rules for packets from one address.  ``packets``: how many were dropped and delayed."""

    link: Link = field(default_factory=Link)
    resetting: bool = False  # open TCP connections are reset, before every packet is dropped
    packets: Counter[str] = field(default_factory=Counter)

    def count(self, effect: str, packets: int) -> "LinkRules":
        return replace(self, packets=self.packets + Counter({effect: packets}))


@dataclass(frozen=True, slots=True)
class ParsedRules:
    """The chain of this agent in a table."""

    rules: dict[str, LinkRules]
    unknown: tuple[str, ...] = ()  # rules in the chain that the agent did not write
    exists: bool = False
    jumps: int = 0  # from INPUT to the chain
    first: bool = False  # INPUT begins with the jump
    shared: bool = False  # other chains jump here too, so that it cannot be removed

    def packets(self, effect: str) -> Counter[str]:
        """Packets that were ``dropped`` or ``delayed``, by source address."""
        return Counter({address: rules.packets[effect] for address, rules in self.rules.items()})

    def agrees(self, links: Links, resetting: Iterable[str]) -> bool:
        """Whether the table has the requested rules; the kernel rounds numbers."""
        if not links:
            return not (self.rules or self.unknown or self.jumps) and self.exists == self.shared
        same = self.rules.keys() == links.keys() and all(
            _nearly_equal(self.rules[address].link, link) for address, link in links.items()
        )
        reset = {address for address, rules in self.rules.items() if rules.resetting}
        return same and reset == set(resetting) and not self.unknown and self.jumps == 1 and self.first


def required_abilities(links: Iterable[Link]) -> set[str]:
    """The kernel features that these links need: any of cut, loss, bandwidth, delay."""
    required = set[str]()
    for link in links:
        required |= {"cut" if link.loss == 1 else "loss"} if link.loss else set()
        required |= {effect for effect in ("bandwidth", "delay") if link.loss < 1 and getattr(link, effect)}
    return required


def format_rules(address: str, link: Link, resetting: bool = False) -> Iterator[str]:
    """The rules for one address; the delay comes last, because a queued packet leaves the chain."""
    if link == CUT:
        bodies = [PASS_RESETS, RESET, DROP] if resetting else [DROP]
    else:
        name = "learnae" + "".join(f"{int(part):02x}" for part in address.split("."))
        rate = int(link.bandwidth)
        bodies = [LOSE.format(link.loss)] if link.loss else []
        bodies += [LIMIT.format(rate=rate, burst=max(rate + rate // 50, MIN_BURST), name=name)] if rate else []
        bodies += [HOLD.format(queue_number(link))] if link.delay else []
    for body in bodies:
        yield f"-A {CHAIN} -s {address}/32 {body}"


def queue_number(link: Link) -> int:
    """The number of the queue for the delay of a link: its ms."""
    return max(1, round(1000 * link.delay))


def restore_script(current: ParsedRules, links: Links, resetting: Iterable[str] = ()) -> str:
    """The input of `iptables-restore --noflush` that changes the table from ``current`` to ``links`` in one step."""
    reset = set(resetting)
    jumps = [f"-D INPUT -j {CHAIN}"] * current.jumps
    if links:
        lines = [f":{CHAIN} - [0:0]", *jumps, f"-I INPUT -j {CHAIN}"]  # the first line empties the chain
        lines += [rule for address, link in links.items() for rule in format_rules(address, link, address in reset)]
    else:
        lines = [*jumps, f"-F {CHAIN}", *([] if current.shared else [f"-X {CHAIN}"])]
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def parse(saved: str) -> ParsedRules:
    """Parse the output of `iptables-save -c -t filter`."""
    rules, unknown = dict[str, LinkRules](), list[str]()
    lines = saved.splitlines()
    for line in lines:
        if f"-A {CHAIN} " not in line:
            continue
        match = RULE.fullmatch(line)
        old = rules.get(match[2], LinkRules()) if match else LinkRules()
        new = _add_rule(old, match[3], int(match[1] or 0)) if match else None
        if match and new:
            rules[match[2]] = new
        else:
            unknown.append(COUNTERS.sub("", line).strip())
    input_rules = [COUNTERS.sub("", line).strip() for line in lines if "-A INPUT " in line]
    exists = any(line.startswith(f":{CHAIN} ") for line in lines)
    jumps = input_rules.count(JUMP)
    shared = sum(f"-j {CHAIN}" in line.split("--comment")[0] for line in lines) > jumps
    return ParsedRules(rules, tuple(unknown), exists, jumps, input_rules[:1] == [JUMP], shared)


def _add_rule(rules: LinkRules, body: str, packets: int) -> LinkRules | None:
    """``rules`` with one more rule; None for a rule that the agent did not write."""
    link, dropping = rules.link, rules.count("dropped", packets)
    if body == PASS_RESETS:
        return replace(rules, resetting=True)
    if body == RESET:
        return replace(dropping, resetting=True)
    if body == DROP:
        return replace(dropping, link=CUT)
    if match := LOSING.fullmatch(body):
        return replace(dropping, link=replace(link, loss=float(match[1])))
    if match := LIMITING.fullmatch(body):
        return replace(dropping, link=replace(link, bandwidth=float(int(match[1]) * UNIT[match[2]])))
    if match := HOLDING.fullmatch(body):
        return replace(rules.count("delayed", packets), link=replace(link, delay=int(match[1]) / 1000))
    return None


def _nearly_equal(one: Link, other: Link) -> bool:
    close = abs(one.bandwidth - other.bandwidth) <= 0.02 * max(one.bandwidth, other.bandwidth)
    return close and abs(one.loss - other.loss) < 1e-6 and abs(one.delay - other.delay) < 1e-3
