"""The plain loop: each peer trains a pass, then takes the mean of its model and that of a random other peer.

No framework; everything else is compared with its time.  Decentralised.
"""

import random

from bench.rivals.work import State, Work, copy_of, program


def train(work: Work) -> list[State]:
    rng = random.Random(work.settings.seed)
    networks = [work.network() for _ in range(work.peers)]
    states = [copy_of(network) for network in networks]
    for number in range(work.settings.passes):
        for peer, network in enumerate(networks):
            network.load_state_dict(states[peer])
            work.train(network, peer, number)
        trained = [copy_of(network) for network in networks]
        states = [_mean(own, rng.choice(trained[:peer] + trained[peer + 1 :])) for peer, own in enumerate(trained)]
    return states


def _mean(one: State, other: State) -> State:
    return {name: (one[name] + other[name]) / 2 for name in one}


if __name__ == "__main__":
    program(train)
