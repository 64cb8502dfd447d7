"""What `learnae audit --replay` does with a run directory: read it, test that it is whole, and execute jobs again."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from learnae.adapters.kept_models import read_models
from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory, environment_facts
from learnae.adapters.sqlite_journal import JournalContents, read_blocks
from learnae.backends.live_run import ROSTER, SESSION, journal_files, judging_salt, members
from learnae.errors import InputError
from learnae.learn.compute import device_name
from learnae.learn.datasets.sources import source_sha256
from learnae.messages.wire import cid_of
from learnae.plugins import shown
from learnae.protocol import events as on
from learnae.protocol.types import Cid
from learnae.records.history import SWARM, History
from learnae.records.outcome import BackendName
from learnae.runs.replay import Difference, Job, Replay, Replayed, chosen, with_sources
from learnae.runs.run_journals import read_run_journals
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.roster import names, roster
from learnae.session.sensor_rules import sensors
from learnae.session.session_file import load
from learnae.session.setup import SessionSetup

Journals = Mapping[str, JournalContents]
SAME_PROCESSOR = ("processor", "packages", "device")  # of the environment: with these, results have the same bits


@dataclass(frozen=True)
class ReplayOptions:
    """``share`` of the jobs of these ``peers`` (none: of all).  ``other_processor``: differences may be tolerated."""

    share: float = 1.0
    peers: Collection[str] = ()
    other_processor: bool = False
    threads: int = 1


@dataclass(frozen=True)
class ReplayOutcome:
    """``wrong``: a sentence for each peer whose settings or committed rows are not its own.  ``missing``: what
    could not be verified, and what to do.  ``exact``: whether all results must have the same bits.
    """

    replayed: Replayed
    wrong: list[str]
    missing: list[str]
    exact: bool

    @property
    def failures(self) -> list[Difference]:
        return [difference for difference in self.replayed.differences if self.exact or difference.near is False]

    @property
    def accepted(self) -> list[Difference]:
        return [difference for difference in self.replayed.differences if difference.near and not self.exact]


def replay_run(
    run: Path, history: History, options: ReplayOptions, progress: Callable[[int, int], None] = lambda done, total: None
) -> ReplayOutcome:
    """Raises InputError: the run or the data set cannot be read, or they do not belong together."""
    session, directory = load(run / SESSION), RunDirectory(run)
    if unknown := [peer for peer in options.peers if peer not in names(session.peers)]:
        raise InputError(f"there is no peer {unknown[0]} in this run: give a name from its roster, such as p00")
    environment, digest = directory.read_json(ENVIRONMENT), source_sha256(session.data)
    if environment.get("data_sha256", digest) != digest:
        raise InputError(f"{shown(session.data.name)} here is not the data of the run: audit it where that file is")
    if options.other_processor:
        session = replace(session, compute=replace(session.compute, device="auto"))
    learning = TorchLearning(session, options.threads, salt=judging_salt(run))
    contents = read_run_journals(run, history)
    setup = _setup(run, history, learning)
    wrong = [*_wrong_settings(setup, contents), *_wrong_commitments(learning, contents)]
    replay = Replay(learning, contents, {**_readings(learning), **_kept_blocks(run)})
    seed = " ".join(digest for journal in contents.values() for _, digest in journal.entries[-1:])
    wanted = chosen(replay.jobs, options.share, options.peers, seed)  # no peer knows it while the session runs
    jobs = with_sources(wanted, replay.jobs, replay.kept)
    replayed = replay.run(jobs, lambda done: progress(done, len(jobs)))
    exact = not options.other_processor and _same_processor(environment, history)
    not_kept = [] if exact else [difference.job for difference in replayed.differences if difference.near is None]
    missing = [*_missing_journals(run, history, contents), *_not_kept(not_kept), *_missing_models(replayed)]
    return ReplayOutcome(replayed, wrong, missing, exact)


# private


def _same_processor(environment: Mapping[str, Any], history: History) -> bool:
    """Whether the run is known to have had this processor and these versions: separate peers do not record theirs."""
    if history.began is None or history.began.backend is BackendName.LIVE:
        return False
    here = environment_facts() | {"device": device_name(history.began.session.compute)} if environment else {}
    return all(here.get(name) is not None and here[name] == environment.get(name) for name in SAME_PROCESSOR)


def _setup(run: Path, history: History, learning: TorchLearning) -> SessionSetup:
    """What the peers agreed on, as far as it can be computed here."""
    session, rows, initial = learning.session, learning.data_sha256, learning.initial_block
    known = learning.statistics
    if (run / ROSTER).is_file():
        return SessionSetup(session, members(run)[1], learning.features, rows, initial, statistics=known)
    ids = {name: (entry.peer, entry.wallet) for name, entry in history.roster.items()}
    peers = roster(session.groups, session.peers, ids.__getitem__, session.privacy)
    return SessionSetup(session, peers, learning.features, rows, initial, session.network.degree, known)


def _wrong_settings(setup: SessionSetup, contents: Journals) -> Iterator[str]:
    """Peers whose journal was written with other settings than the session gives them.  Raises InputError."""
    if all(journal.config.session != setup.session_id for journal in contents.values()):
        raise InputError("the run is of a session with other rows or settings than are here: audit it where it ran")
    for index, member in enumerate(setup.members):
        if member.name in contents:
            config = contents[member.name].config
            expected = setup.config(index, config.validation, config.salt)
            wrong = [part.name for part in fields(config) if getattr(config, part.name) != getattr(expected, part.name)]
            if wrong:
                yield f"{member.name} took part with other settings than the session's ({', '.join(wrong)})."


def _wrong_commitments(learning: TorchLearning, contents: Journals) -> list[str]:
    """Peers that committed to other validation rows than they were dealt.  Raises InputError if all of them did."""
    order = names(learning.session.peers)
    dealt = {
        journal.config.peer: learning.commitment(order.index(name), journal.config.validation.salt).digest
        for name, journal in contents.items()
    }
    announced = [
        (event.sender, event.claim.validation, f"as {name} received it")
        for name, journal in contents.items()
        for event, _ in journal.entries
        if isinstance(event, on.ClaimReceived)
    ]
    own = [(journal.config.peer, journal.config.validation.digest, "by its journal") for journal in contents.values()]
    if all(dealt[peer] != digest for peer, digest, _ in own):
        raise InputError("the rows here are not those that the peers committed to: audit the run where its data is")
    wrong: dict[str, str] = {}
    for peer, digest, where in [*own, *announced]:
        if peer in dealt and digest != dealt[peer]:
            wrong.setdefault(peer, where)
    return [
        f"{name} committed to other validation rows than the session dealt it ({wrong[journal.config.peer]})."
        for name, journal in contents.items()
        if journal.config.peer in wrong
    ]


def _readings(learning: TorchLearning) -> dict[Cid, bytes]:
    """The row blocks of the session's sensors, which no job made: a sensor that the host dealt rows publishes these."""
    order, devices = names(learning.session.peers), sensors(learning.session)
    blocks = [rows.block for name in devices for rows in learning.readings(order.index(name))]
    return {cid_of(block): block for block in blocks}


def _kept_blocks(run: Path) -> dict[Cid, bytes]:
    if not (run / ROSTER).is_file():
        return read_models(run)
    _, peers = members(run)
    return {cid: block for path in journal_files(run, peers).values() for cid, block in read_blocks(path).items()}


def _missing_journals(run: Path, history: History, contents: Journals) -> Iterator[str]:
    if (run / ROSTER).is_file():
        active = [member.name for member in members(run)[1] if not member.group.sensor]
    else:
        sensors = {name for name, entry in history.roster.items() if entry.sensor}
        active = sorted({record.peer for record in history.records} - {SWARM} - sensors)
    missing = [name for name in active if name not in contents]
    if missing:
        yield (
            f"Nothing of {', '.join(missing)} was executed again, because the run lacks these journals: "
            "copy them to its folder journals/ and audit it again."
        )


def _not_kept(jobs: Sequence[Job]) -> Iterator[str]:
    if jobs:
        yield (
            f"{len(jobs):,} results cannot be verified here, from {jobs[0]} on, because another processor or "
            "version computes other bits and the run did not keep these models: audit it on the processor and with "
            "the versions with which it ran."
        )


def _missing_models(replayed: Replayed) -> Iterator[str]:
    if blocked := replayed.blocked:
        yield (
            f"{len(blocked):,} jobs were not executed again, from {blocked[0]} on, because a model that they need is "
            "not in the run and was not computed: audit the complete run, on the processor and with the versions "
            "with which it ran."
        )
