"""A link agent on a real kernel: traffic flows before, is blocked during, flows after."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.waiting import until
from tests.link_agent.namespaces import AgentProcess, Namespace, Spoke, lacking

CUT = {"loss": 1}
DELAY = 0.25  # s
LEASE = 4.0  # s
Sockets = tuple[socket.socket, socket.socket]
UNABLE = lacking()

pytestmark = [pytest.mark.real, pytest.mark.skipif(UNABLE is not None, reason=str(UNABLE))]


@pytest.fixture(scope="module")
def hub() -> Iterator[Namespace]:
    """The pod whose link is cut."""
    made = Namespace("hub")
    yield made
    made.close()


@pytest.fixture(scope="module")
def spokes(hub: Namespace) -> Iterator[list[Spoke]]:
    made = [Spoke(hub, number) for number in (1, 2)]
    yield made
    for spoke in made:
        spoke.close()


@pytest.fixture
def agent(hub: Namespace, spokes: list[Spoke], tmp_path: Path) -> Iterator[AgentProcess]:
    before = hub.table()
    running = AgentProcess(hub, tmp_path)
    yield running
    for spoke in spokes:
        spoke.hang_up()
    if running.process.returncode is None:
        assert running.stop() == 0
    assert hub.table() == before


def arrives(sockets: Sockets) -> bool:
    """Whether a datagram gets from the first to the second."""
    sockets[0].send(b"?")
    try:
        return sockets[1].recv(10) == b"?"
    except TimeoutError:
        return False


def test_traffic_flows_before_is_blocked_during_and_flows_after(
    agent: AgentProcess, hub: Namespace, spokes: list[Spoke]
) -> None:
    one, other = (spoke.datagrams(hub) for spoke in spokes)
    assert arrives(one) and arrives(other)
    told = agent.put({spokes[0].address: CUT})
    assert told["from"][spokes[0].address]["loss"] == 1
    assert not arrives(one) and arrives(other)
    assert agent.state()["dropped"] == {spokes[0].address: 1}
    assert agent.ask("POST", "/v1/clear")[1]["from"] == {}
    assert arrives(one) and arrives(other)
    assert agent.state()["dropped"] == {spokes[0].address: 1}


def test_who_is_not_heard_hears(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    here, there = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: CUT})
    assert not arrives((here, there)) and arrives((there, here))


def test_as_much_is_lost_as_was_asked_for(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    here, there = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: {"loss": 0.35}})
    count, sent = 0, 2000
    for _ in range(sent):
        here.send(b"?")
    there.setblocking(False)
    with pytest.raises(BlockingIOError):
        while there.recv(10):
            count += 1
    assert abs(count / sent - 0.65) < 5 * (0.35 * 0.65 / sent) ** 0.5
    assert agent.state()["dropped"][spokes[0].address] == sent - count


def test_a_lease_ends_by_itself(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    sockets = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: CUT}, lease=LEASE)
    assert not arrives(sockets)
    until(lambda: arrives(sockets))
    until(lambda: agent.ask("GET", "/v1/events")[1]["events"][-1]["event"] == "expired")
    told = agent.ask("GET", "/v1/events")[1]["events"]
    assert [each["event"] for each in told] == ["applied", "dropping", "expired"]
    assert told[2]["at"] - told[0]["at"] > LEASE - 0.1


def test_the_rules_of_a_killed_agent_stay_until_the_next_is_told_otherwise(
    agent: AgentProcess, hub: Namespace, spokes: list[Spoke]
) -> None:
    sockets = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: CUT})
    agent.kill()
    assert not arrives(sockets)
    agent.start()
    assert not arrives(sockets)
    assert agent.ask("GET", "/v1/events")[1]["events"][0]["event"] == "adopted"
    agent.put({})
    assert arrives(sockets)


def test_an_agent_that_is_stopped_heals_first(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    sockets = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: CUT})
    assert agent.stop() == 0
    assert arrives(sockets)


def test_rules_of_others_stay_as_they_were_and_ours_come_first(
    agent: AgentProcess, hub: Namespace, spokes: list[Spoke]
) -> None:
    sockets = spokes[0].datagrams(hub)
    theirs = ("-N THEIRS", "-A THEIRS -p udp -m comment --comment a\\ b -j ACCEPT", "-A INPUT -j THEIRS")
    for each in theirs:
        hub.run("iptables", *each.replace("\\ ", "_").split())
    before = hub.table()
    agent.put({spokes[0].address: CUT})
    assert not arrives(sockets)
    assert [line for line in hub.table() if "LEARNAE" not in line] == before
    agent.ask("POST", "/v1/clear")
    assert hub.table() == before
    for each in ("-D INPUT -j THEIRS", "-F THEIRS", "-X THEIRS"):
        hub.run("iptables", *each.split())


def test_what_others_do_to_our_rules_is_put_right(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    sockets = spokes[0].datagrams(hub)
    agent.put({spokes[0].address: CUT})

    def removed() -> bool:
        hub.run("iptables", "-F", "INPUT")
        return arrives(sockets)

    until(removed)  # the agent may put it right before a datagram is there
    until(lambda: not arrives(sockets))


def test_live_sessions_are_torn_down_at_both_ends(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    talking, listening = (spokes[0].stream(hub) for _ in range(2))
    agent.put({spokes[0].address: CUT})
    talking[0].send(b"?")
    with pytest.raises(ConnectionResetError):
        talking[0].recv(1)
    listening[1].send(b"?")
    with pytest.raises(ConnectionResetError):
        listening[0].send(b"!") and listening[0].recv(1) and listening[0].recv(1)
    until(lambda: not agent.state()["from"][spokes[0].address]["resetting"])
    with pytest.raises(TimeoutError), spokes[0].inside():
        socket.create_connection((spokes[0].hub, 1), timeout=0.5)


def test_a_cap_on_bandwidth_holds(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    if not agent.ask("GET", "/v1/abilities")[1]["can"]["bandwidth"]:
        pytest.skip("this kernel has no hashlimit")
    rate, size = 1_000_000, 5_000_000
    least = (size - 3 * rate) / rate  # s; some of it may come in a burst
    until(lambda: took(spokes[0].stream(hub), size) < least)  # a busy machine may need several tries
    agent.put({spokes[0].address: {"bandwidth": rate}})
    assert took(spokes[0].stream(hub), size) > least


def test_a_delay_holds_back_and_loses_nothing(agent: AgentProcess, hub: Namespace, spokes: list[Spoke]) -> None:
    slowed, other = spokes[0].datagrams(hub), spokes[1].datagrams(hub)
    told = agent.put({spokes[0].address: {"delay": DELAY}})
    assert told["from"][spokes[0].address]["delay"] == DELAY
    assert later(slowed) >= DELAY
    until(lambda: later(other) < DELAY)  # a busy machine may need several tries
    count, size = 100, 2_000_000
    for number in range(count):
        slowed[0].send(bytes([number]))
    assert [slowed[1].recv(10)[0] for _ in range(count)] == list(range(count))
    assert took(spokes[0].stream(hub), size) < 60
    state = agent.state()
    assert state["dropped"] == {} and state["delayed"][spokes[0].address] > count
    agent.ask("POST", "/v1/clear")
    until(lambda: later(slowed) < DELAY)
    agent.put({spokes[0].address: {"delay": DELAY}})
    agent.kill()
    until(lambda: later(slowed) < DELAY)  # nobody is left to hold anything back
    agent.start()


def later(sockets: Sockets) -> float:
    """s that a datagram takes from the first to the second."""
    sockets[1].settimeout(60)
    began = time.monotonic()
    sockets[0].send(b"?")
    assert sockets[1].recv(10) == b"?"
    return time.monotonic() - began


def took(sockets: Sockets, size: int) -> float:
    """s to send so many bytes from the first to the second."""
    began, left = time.monotonic(), size
    sockets[0].settimeout(None)
    sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)
    sockets[0].sendall(b"." * size)
    sockets[1].settimeout(60)
    while left:
        left -= len(sockets[1].recv(min(left, 1 << 16)))
    return time.monotonic() - began


def test_its_own_address_and_whoever_asks_are_never_cut(agent: AgentProcess, spokes: list[Spoke]) -> None:
    for address in (spokes[0].hub, spokes[1].hub, "127.0.0.1"):
        status, told = agent.ask("PUT", "/v1/state", {"lease": 9, "from": {address: CUT}})
        assert status == 400 and "never cut" in told["detail"]
    assert agent.state()["from"] == {}


def test_it_is_small(agent: AgentProcess, spokes: list[Spoke]) -> None:
    agent.put({spokes[0].address: CUT})
    rollup = Path(f"/proc/{agent.process.pid}/smaps_rollup").read_text().split()
    assert int(rollup[rollup.index("Pss:") + 1]) < 20_000  # kB
