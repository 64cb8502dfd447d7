"""A session on Kubernetes on a chain that is not ours: valid, audited, and the money comes back."""

import secrets
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.stack.foreign_chain import CHAIN_ID, SECRET, ForeignAnvil
from tests.stack.test_kubernetes import left, session

from learnae.adapters.keystore import Wallet
from learnae.adapters.run_directory import RunDirectory
from learnae.backends.external_chain.wallet_funding import WALLETS, Funding
from learnae.backends.kubernetes.backend import FOLDER
from learnae.protocol.decisions import DebtState
from learnae.protocol.types import ETHER, Wei

pytestmark = [pytest.mark.soak, pytest.mark.kubernetes]

NODE = "10.244.0.1"  # the node of tools/kubernetes/cluster.sh, in whose network this test runs


def test_a_session_on_an_external_chain_ends_valid_and_returns_the_money(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = secrets.token_bytes(32)
    payer = Wallet.from_key(secret)
    file, run = session(tmp_path, peers=3, chain={"id": CHAIN_ID, "balance": "0.05"}), tmp_path / "run"
    with ForeignAnvil(NODE) as chain:
        chain.fund(payer, Wei(ETHER))
        for name, value in {"RPC": chain.url, "KEY": secret.hex(), "CAP": "0.2"}.items():
            monkeypatch.setenv(f"LEARNAE_{name}", value)
        done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes", "--out", str(run))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "3 of 3 wallets are empty" in done.stdout and not left()
        assert SECRET not in done.stdout + done.stderr and secret.hex() not in done.stdout + done.stderr
        files = [path for path in FOLDER.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert {str(path.relative_to(FOLDER)) for path in files} == {f"pods/p0{index}/peer/rpc" for index in range(3)}
        history, funding = RunDirectory(run).read(), Funding.read(run)
        assert history.debts and {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}
        assert funding.opening and not (run / WALLETS).exists()
        gas = chain.sent_by({payer.address: None, **funding.opening.balances})
        assert chain.balance(payer.address) == ETHER - gas
        assert here(tmp_path, "audit", str(run)).returncode == 0


def test_a_chain_that_pods_cannot_reach_is_refused_before_any_money_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.0.0.0 is whoever asks: here it is this machine."""
    secret = secrets.token_bytes(32)
    payer = Wallet.from_key(secret)
    file = session(tmp_path, peers=3, chain={"id": CHAIN_ID, "balance": "0.05"})
    with ForeignAnvil("127.0.0.1") as chain:
        chain.fund(payer, Wei(ETHER))
        url = chain.url.replace("127.0.0.1", "0.0.0.0")
        for name, value in {"RPC": url, "KEY": secret.hex(), "CAP": "0.2"}.items():
            monkeypatch.setenv(f"LEARNAE_{name}", value)
        done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes")
        assert done.returncode == 2 and "containers cannot reach 0.0.0.0" in done.stderr, done.stdout + done.stderr
        assert chain.balance(payer.address) == ETHER and not left()
