"""What is done to a link, as text for iptables-restore, and what iptables-save says is done to it.  Pure.

All of it is in one chain of our own, to which INPUT jumps first; when nothing is done, there is neither chain nor jump,
so that the table is what it was, byte for byte.  Rules name the addresses packets come from and nothing else: whoever
is not named is not touched.  The receiver drops, because a sender would notice and send again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from learnae.session.faults import CUT, Link

CHAIN = "LEARNAE"
JUMP = f"-A INPUT -j {CHAIN}"
BURST = 1 << 14  # bytes at least: a handful of packets

# In the kernel's own words and order, so that what is read back is what was written.
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

Links = Mapping[str, Link]  # from addresses, where not as ever


@dataclass(frozen=True, slots=True)
class LinkRules:
    """What the kernel does to packets from one address.  ``dropped``, ``delayed``: how many, since there are rules."""

    link: Link = field(default_factory=Link)
    resetting: bool = False  # live TCP sessions, before nothing gets through at all
    dropped: int = 0
    delayed: int = 0


@dataclass(frozen=True, slots=True)
class ParsedRules:
    """Our part of a table.  ``strange``: rules in our chain that are none of ours.  ``jumps``: from INPUT to it.

    ``first``: INPUT begins with the jump.  ``elsewhere``: others jump here, too, so that it cannot be removed.
    """

    held: dict[str, LinkRules]
    strange: tuple[str, ...] = ()
    exists: bool = False
    jumps: int = 0
    first: bool = False
    elsewhere: bool = False

    @property
    def dropped(self) -> Counter[str]:
        return Counter({address: held.dropped for address, held in self.held.items()})

    @property
    def delayed(self) -> Counter[str]:
        return Counter({address: held.delayed for address, held in self.held.items()})

    def agrees(self, links: Links, resetting: Iterable[str]) -> bool:
        """Whether it is what it should be; the kernel rounds."""
        if not links:
            return not (self.held or self.strange or self.jumps) and self.exists == self.elsewhere
        same = self.held.keys() == links.keys() and all(_alike(self.held[each].link, links[each]) for each in links)
        reset = {address for address, held in self.held.items() if held.resetting}
        return same and reset == set(resetting) and not self.strange and self.jumps == 1 and self.first


def abilities(links: Iterable[Link]) -> set[str]:
    """What a kernel must be able to do for these: any of cut, loss, bandwidth, delay."""
    needs = set[str]()
    for link in links:
        needs |= {"cut" if link.loss == 1 else "loss"} if link.loss else set()
        needs |= {each for each in ("bandwidth", "delay") if link.loss < 1 and getattr(link, each)}
    return needs


def rules(address: str, link: Link, resetting: bool = False) -> Iterator[str]:
    """In order: who is held back leaves the chain."""
    if link == CUT:
        bodies = [PASS_RESETS, RESET, DROP] if resetting else [DROP]
    else:
        name = "learnae" + "".join(f"{int(part):02x}" for part in address.split("."))
        rate = int(link.bandwidth)
        bodies = [LOSE.format(link.loss)] if link.loss else []
        bodies += [LIMIT.format(rate=rate, burst=max(rate + rate // 50, BURST), name=name)] if rate else []
        bodies += [HOLD.format(queue(link))] if link.delay else []
    for body in bodies:
        yield f"-A {CHAIN} -s {address}/32 {body}"


def queue(link: Link) -> int:
    """The number of the queue that holds packets back for its delay: ms."""
    return max(1, round(1000 * link.delay))


def restore(found: ParsedRules, links: Links, resetting: Iterable[str] = ()) -> str:
    """What brings the table from ``found`` to that, for `iptables-restore --noflush`: all of it at once, or nothing."""
    reset = set(resetting)
    jumps = [f"-D INPUT -j {CHAIN}"] * found.jumps
    if links:
        lines = [f":{CHAIN} - [0:0]", *jumps, f"-I INPUT -j {CHAIN}"]  # the first line empties it
        lines += [rule for address, link in links.items() for rule in rules(address, link, address in reset)]
    else:
        lines = [*jumps, f"-F {CHAIN}", *([] if found.elsewhere else [f"-X {CHAIN}"])]
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def parse(saved: str) -> ParsedRules:
    """Of what `iptables-save -c -t filter` prints."""
    held, strange, lines = dict[str, LinkRules](), list[str](), saved.splitlines()
    for line in lines:
        if f"-A {CHAIN} " not in line:
            continue
        match = RULE.fullmatch(line)
        old = held.get(match[2], LinkRules()) if match else LinkRules()
        new = _with(old, match[3], int(match[1] or 0)) if match else None
        if match and new:
            held[match[2]] = new
        else:
            strange.append(COUNTERS.sub("", line).strip())
    input_rules = [COUNTERS.sub("", line).strip() for line in lines if "-A INPUT " in line]
    exists = any(line.startswith(f":{CHAIN} ") for line in lines)
    jumps = input_rules.count(JUMP)
    elsewhere = sum(f"-j {CHAIN}" in line.split("--comment")[0] for line in lines) > jumps
    return ParsedRules(held, tuple(strange), exists, jumps, input_rules[:1] == [JUMP], elsewhere)


def _with(held: LinkRules, body: str, packets: int) -> LinkRules | None:
    """And one more rule; None if it is none of ours."""
    link, dropping = held.link, replace(held, dropped=held.dropped + packets)
    if body == PASS_RESETS:
        return replace(held, resetting=True)
    if body == RESET:
        return replace(dropping, resetting=True)
    if body == DROP:
        return replace(dropping, link=CUT)
    if match := LOSING.fullmatch(body):
        return replace(dropping, link=replace(link, loss=float(match[1])))
    if match := LIMITING.fullmatch(body):
        return replace(dropping, link=replace(link, bandwidth=float(int(match[1]) * UNIT[match[2]])))
    if match := HOLDING.fullmatch(body):
        return replace(held, link=replace(link, delay=int(match[1]) / 1000), delayed=held.delayed + packets)
    return None


def _alike(one: Link, other: Link) -> bool:
    close = abs(one.bandwidth - other.bandwidth) <= 0.02 * max(one.bandwidth, other.bandwidth)
    return close and abs(one.loss - other.loss) < 1e-6 and abs(one.delay - other.delay) < 1e-3
