"""Links as iptables' text, and back: literally."""

from collections import Counter

import pytest

from learnae.link_agent.rules import LinkRules, Links, ParsedRules, format_rules, parse, restore_script
from learnae.session.faults import CUT, Link

A, B = "10.0.0.11", "10.0.0.12"
EMPTY = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"


def saved(*lines: str, heads: str = ":LEARNAE - [0:0]") -> str:
    return "\n".join(["*filter", ":INPUT ACCEPT [0:0]", heads, *lines, "COMMIT", ""])


def test_a_cut_resets_live_sessions_and_then_drops_everything() -> None:
    assert list(format_rules(A, CUT)) == [f"-A LEARNAE -s {A}/32 -j DROP"]
    assert list(format_rules(A, CUT, resetting=True)) == [
        f"-A LEARNAE -s {A}/32 -p tcp -m tcp --tcp-flags RST RST -j RETURN",
        f"-A LEARNAE -s {A}/32 -p tcp -j REJECT --reject-with tcp-reset",
        f"-A LEARNAE -s {A}/32 -j DROP",
    ]


def test_loss_bandwidth_and_delay_are_a_rule_each() -> None:
    assert list(format_rules(A, Link(loss=0.35, delay=0.25, bandwidth=1e5))) == [
        f"-A LEARNAE -s {A}/32 -m statistic --mode random --probability 0.35000000 -j DROP",
        f"-A LEARNAE -s {A}/32 -m hashlimit --hashlimit-above 100000b/s --hashlimit-burst 102000b "
        "--hashlimit-name learnae0a00000b -j DROP",
        f"-A LEARNAE -s {A}/32 -j NFQUEUE --queue-num 250 --queue-bypass",
    ]


def test_the_table_is_changed_in_one_go_and_our_chain_alone() -> None:
    assert restore_script(parse(EMPTY), {A: CUT}).splitlines() == [
        "*filter",
        ":LEARNAE - [0:0]",
        "-I INPUT -j LEARNAE",
        f"-A LEARNAE -s {A}/32 -j DROP",
        "COMMIT",
    ]
    there = ParsedRules({A: LinkRules(CUT)}, exists=True, jumps=2)
    assert restore_script(there, {}).splitlines() == [
        "*filter",
        *["-D INPUT -j LEARNAE"] * 2,
        "-F LEARNAE",
        "-X LEARNAE",
        "COMMIT",
    ]


@pytest.mark.parametrize(
    "links",
    [
        {A: CUT},
        {A: Link(loss=0.35), B: CUT},
        {A: Link(loss=0.5, bandwidth=5e4)},
        {B: Link(bandwidth=1e6)},
        {A: Link(0.1, 2.5, 1e6), B: Link(delay=0.001)},
    ],
)
def test_what_is_written_is_what_is_read_back(links: Links) -> None:
    lines = [rule for address, link in links.items() for rule in format_rules(address, link)]
    found = parse(saved("[9:9] -A INPUT -j LEARNAE", *(f"[0:0] {line}" for line in lines)))
    assert {address: held.link for address, held in found.rules.items()} == dict(links)
    assert found.agrees(links, []) and not found.agrees(links, [A])
    assert not found.agrees({}, []) and not found.agrees({**links, "10.0.0.13": CUT}, [])


def test_what_the_kernel_rounds_is_the_same() -> None:
    found = parse(
        saved(
            "[0:0] -A INPUT -j LEARNAE",
            f"[3:180] -A LEARNAE -s {A}/32 -m statistic --mode random --probability 0.35000000009 -j DROP",
            f"[4:240] -A LEARNAE -s {A}/32 -m hashlimit --hashlimit-above 12056kb/s --hashlimit-burst 23mb "
            "--hashlimit-name learnae0a00000b -j DROP",
        )
    )
    assert found.agrees({A: Link(loss=0.35, bandwidth=12_345_678)}, [])
    assert not found.agrees({A: Link(loss=0.36, bandwidth=12_345_678)}, [])
    assert not found.agrees({A: Link(loss=0.35, bandwidth=10_000_000)}, [])
    assert found.rules[A].packets["dropped"] == 7


def test_resets_count_as_dropped_and_what_passes_does_not() -> None:
    lines = [f"[{count}:0] {rule}" for count, rule in zip((5, 3, 2), format_rules(A, CUT, resetting=True), strict=True)]
    assert parse(saved(*lines)).rules == {A: LinkRules(CUT, True, Counter(dropped=5))}


def test_who_is_held_back_counts_as_delayed_and_not_as_dropped() -> None:
    lines = [
        f"[{count}:0] {rule}" for count, rule in zip((4, 9), format_rules(A, Link(loss=0.5, delay=0.1)), strict=True)
    ]
    assert parse(saved(*lines)).rules == {
        A: LinkRules(Link(loss=0.5, delay=0.1), packets=Counter(dropped=4, delayed=9))
    }


def test_a_table_that_others_changed_is_not_what_it_should_be() -> None:
    drop = f"[0:0] -A LEARNAE -s {A}/32 -j DROP"
    jump = "[0:0] -A INPUT -j LEARNAE"
    assert parse(saved(jump, drop)).agrees({A: CUT}, [])
    for changed in (
        saved(drop),
        saved(jump, jump, drop),
        saved("[0:0] -A INPUT -j ACCEPT", jump, drop),
        saved(jump, drop, "[0:0] -A LEARNAE -p udp -j ACCEPT"),
        saved(jump, drop, f"[0:0] -A LEARNAE -s {B}/32 -j ACCEPT"),
        saved(jump),
    ):
        assert not parse(changed).agrees({A: CUT}, [])
    assert parse(saved(jump, "[0:0] -A LEARNAE -p udp -j ACCEPT")).unknown == ("-A LEARNAE -p udp -j ACCEPT",)


def test_a_chain_that_others_jump_to_is_emptied_and_stays() -> None:
    found = parse(
        saved("[0:0] -A INPUT -j LEARNAE", "[0:0] -A FORWARD -j LEARNAE", f"[0:0] -A LEARNAE -s {A}/32 -j DROP")
    )
    assert restore_script(found, {}).splitlines() == ["*filter", "-D INPUT -j LEARNAE", "-F LEARNAE", "COMMIT"]
    assert parse(saved("[0:0] -A FORWARD -j LEARNAE")).agrees({}, [])


def test_where_nothing_is_done_there_is_neither_chain_nor_jump() -> None:
    assert parse(EMPTY).agrees({}, [])
    assert not parse(saved()).agrees({}, [])
