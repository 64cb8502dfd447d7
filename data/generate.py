"""Generate the HEPMASS-like rows, `hepmass_like.npz`, with Pythia 8.

    python data/generate.py                 # the shipped file, byte for byte
    python data/generate.py --check         # does the file still follow from this program?

What is true of the output:
1. Signal is a narrow resonance X -> t tbar of one of five masses, background is t tbar of the standard
   model; pp at 8 TeV; one top decays to b l nu (l = e, mu), the other to b q q.
2. Labels are balanced. A background row is given one of the five masses at random, equally many of
   each, so neither the mass nor the label alone tells anything about the other.
3. Rows are made in chunks, each with a seed derived from (seed, process, chunk number), and shuffled
   with the seed: the number of workers changes nothing.

Theory of operation. `simulate` asks Pythia for an event and keeps what a perfect detector would see:
the lepton, the sum of the neutrinos, the jets. `detect` blurs and selects many events at once.
`reconstruct` decides which jet is which and computes the five masses. All momenta in GeV.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import combinations, permutations
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MASSES = (500, 750, 1000, 1250, 1500)
BACKGROUND = 0  # the "mass" of the process without a resonance
CHUNK = 2_000  # kept events per seed
BATCH = 500  # simulated events blurred at once; part of the definition of the rows, like CHUNK
JETS = 10  # jets looked at per event

W_MASS, TOP_MASS = 80.4, 172.5
MIN_PT, MAX_ETA, RADIUS = 20.0, 2.5, 0.4
JET_NOISE, JET_CONSTANT = 0.5, 0.02  # relative jet resolution: noise / sqrt(pt) (+) constant
MET_NOISE = 6.0  # per axis
TAG_B, TAG_LIGHT = 0.8, 0.01  # probability of a b-tag for jets with and without a b quark
SPREAD_JJ, SPREAD_JJJ, SPREAD_JLV = 10.0, 15.0, 20.0  # expected spread of the masses in `reconstruct`
CANDIDATES = 5  # leading jets that may come from the tops

NAMES = (
    *("lepton_pt", "lepton_eta", "lepton_phi", "met", "met_phi", "n_jets"),
    *(f"jet{k}_{what}" for k in (1, 2, 3, 4) for what in ("pt", "eta", "phi", "btag")),
    *("m_jj", "m_jjj", "m_lv", "m_jlv", "m_wwbb"),
)


class Chunk(NamedTuple):
    process: int  # a mass of MASSES or BACKGROUND
    number: int
    size: int


class Detected(NamedTuple):
    """What the detector reports of N selected events; jets by falling pt, absent ones have pt 0."""

    lepton: Floats  # (N, 3) pt, eta, phi
    missing: Floats  # (N, 2) px, py
    jets: Floats  # (N, JETS, 5) pt, eta, phi, mass, b-tag


def settings(process: int, seed: int, positive: bool) -> list[str]:
    """Pythia's settings. `positive` is the charge of the W that decays to a lepton."""
    leptonic, hadronic = ("Pos", "Neg") if positive else ("Neg", "Pos")
    common = [
        *("Print:quiet = on", "Random:setSeed = on", f"Random:seed = {seed}"),
        *("Beams:eCM = 8000", "PartonLevel:MPI = off", "24:onMode = off"),
        *(f"24:on{leptonic}IfAny = 11 13", f"24:on{hadronic}IfAny = 1 2 3 4 5"),
    ]
    if process == BACKGROUND:
        return [*common, "Top:gg2ttbar = on", "Top:qqbar2ttbar = on"]
    return [
        *common,
        *("NewGaugeBoson:ffbar2gmZZprime = on", "Zprime:gmZmode = 3", f"32:m0 = {process}"),
        *("32:onMode = off", "32:onIfAny = 6", "32:doForceWidth = on", f"32:mWidth = {0.01 * process}"),
        *(f"32:mMin = {0.8 * process}", f"32:mMax = {1.2 * process}"),
    ]


def simulate(process: int, seed: int, positive: bool) -> Iterator[tuple[list[float], Floats]]:
    """Yield ([lepton pt, eta, phi, missing px, py], jets (JETS, 5) whose last column is "has a b quark")."""
    pythia8: Any = import_module("pythia8mc")
    pythia = pythia8.Pythia("", False)
    for line in settings(process, seed, positive):
        if not pythia.readString(line):
            raise ValueError(f"Pythia refuses the setting {line!r}")
    if not pythia.init():
        raise RuntimeError("Pythia cannot start")
    # anti-kt, a lower threshold than the selection's because blurring comes later, all but neutrinos, true masses
    finder = pythia8.SlowJet(-1, RADIUS, 0.6 * MIN_PT, MAX_ETA + 0.1, 2, 1)
    while True:
        if not pythia.next():
            continue
        event, lepton, missing_x, missing_y = pythia.event, None, 0.0, 0.0
        quarks: list[tuple[float, float]] = []
        for index in range(event.size()):
            particle = event[index]
            kind = particle.idAbs()
            if not particle.isFinal():
                if kind == 5 and particle.pT() > 5 and particle.iBotCopyId() == index:
                    quarks.append((particle.eta(), particle.phi()))
            elif kind in (12, 14, 16):
                missing_x += particle.px()
                missing_y += particle.py()
            elif kind in (11, 13) and event[event[particle.iTopCopyId()].mother1()].idAbs() == 24:
                lepton = particle
        if lepton is None or lepton.pT() < MIN_PT or abs(lepton.eta()) > MAX_ETA:
            continue
        lepton.statusNeg()  # hidden from the jet finder
        finder.analyze(event)
        jets = np.zeros((JETS, 5))
        for row in range(min(JETS, finder.sizeJet())):
            jet = finder.p(row)
            eta, phi = jet.eta(), jet.phi()
            near = (math.hypot(eta - e, math.remainder(phi - p, math.tau)) < RADIUS for e, p in quarks)
            jets[row] = jet.pT(), eta, phi, jet.mCalc(), any(near)
        yield [lepton.pT(), lepton.eta(), lepton.phi(), missing_x, missing_y], jets


def detect(seen: Floats, jets: Floats, rng: np.random.Generator) -> Detected:
    """Blur (N, 5) leptons with missing momenta and (N, JETS, 5) jets; keep events with a b-tag among 4 jets."""
    pt, eta, phi, mass, is_b = np.moveaxis(jets, -1, 0)
    width = np.sqrt(JET_NOISE**2 / np.maximum(pt, 1) + JET_CONSTANT**2)
    factor = np.maximum(0.05, 1 + width * rng.normal(size=pt.shape))
    tag = rng.random(pt.shape) < np.where(is_b > 0, TAG_B, TAG_LIGHT)
    missing = seen[:, 3:] + MET_NOISE * rng.normal(size=(len(seen), 2))
    good = (pt * factor > MIN_PT) & (abs(eta) < MAX_ETA)
    blurred = np.stack([pt * factor, eta, phi, mass * factor, tag], axis=-1) * good[..., None]
    order = np.argsort(-blurred[..., 0], axis=1, kind="stable")
    blurred = np.take_along_axis(blurred, order[..., None], axis=1)
    keep = (good.sum(axis=1) >= 4) & (blurred[:, :4, 4] > 0).any(axis=1)
    return Detected(seen[keep, :3], missing[keep], blurred[keep])


def momentum(pt: Floats, eta: Floats, phi: Floats, mass: Floats | float = 0.0) -> Floats:
    """(...) -> (..., 4): energy, px, py, pz."""
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([np.sqrt(x * x + y * y + z * z + mass * mass), x, y, z], axis=-1)


def invariant(p: Floats) -> Floats:
    """(..., 4) -> (...): the invariant mass."""
    result: Floats = np.sqrt(np.maximum(p[..., 0] ** 2 - (p[..., 1:] ** 2).sum(axis=-1), 0.0))
    return result


def neutrinos(lepton: Floats, missing: Floats) -> Floats:
    """(N, 4), (N, 2) -> (2, N, 4): both neutrinos that make a W with the lepton (its real part, if none does)."""
    x, y = missing.T
    half = W_MASS**2 / 2 + lepton[:, 1] * x + lepton[:, 2] * y
    pt2, met2 = (lepton[:, 1:3] ** 2).sum(axis=1), x * x + y * y
    middle = half * lepton[:, 3] / pt2
    root = np.sqrt(np.maximum(middle**2 - (lepton[:, 0] ** 2 * met2 - half**2) / pt2, 0.0))
    z = np.stack([middle - root, middle + root])
    x, y = np.broadcast_to(x, z.shape), np.broadcast_to(y, z.shape)
    return np.stack([np.sqrt(met2 + z * z), x, y, z], axis=-1)


def reconstruct(d: Detected) -> Floats:
    """(N, 27) features. The masses are those of the likeliest hypothesis.

    A hypothesis names the two jets of the W, the jet of each b and the neutrino. Its chi2 compares three masses
    with W and top, plus -2 ln of the odds of the b-tags seen.
    """
    pt, tag = d.jets[..., 0], d.jets[..., 4]
    jets = momentum(*np.moveaxis(d.jets[..., :4], -1, 0)) * (pt > 0)[..., None]
    lepton = momentum(*d.lepton.T)
    odds_b, odds_light = (-2 * math.log(p / (1 - p)) for p in (TAG_B, TAG_LIGHT))
    best, masses = np.full(len(pt), np.inf), np.zeros((len(pt), 5))
    for neutrino in neutrinos(lepton, d.missing):
        lv = lepton + neutrino
        for i, j in combinations(range(CANDIDATES), 2):
            jj = jets[:, i] + jets[:, j]
            for hadronic, leptonic in permutations(sorted({*range(CANDIDATES)} - {i, j}), 2):
                jjj, jlv = jj + jets[:, hadronic], jets[:, leptonic] + lv
                found = np.stack([invariant(p) for p in (jj, jjj, lv, jlv, jjj + jlv)], axis=1)
                chi2 = (
                    ((found[:, 0] - W_MASS) / SPREAD_JJ) ** 2
                    + ((found[:, 1] - found[:, 0] - TOP_MASS + W_MASS) / SPREAD_JJJ) ** 2
                    + ((found[:, 3] - TOP_MASS) / SPREAD_JLV) ** 2
                    + odds_b * (tag[:, hadronic] + tag[:, leptonic])
                    + odds_light * (tag[:, i] + tag[:, j])
                )
                better = (chi2 < best) & (pt[:, [i, j, hadronic, leptonic]].min(axis=1) > 0)
                best, masses[better] = np.where(better, chi2, best), found[better]
    x, y = d.missing.T
    met = np.column_stack([np.hypot(x, y), np.arctan2(y, x), (pt > 0).sum(axis=1)])
    leading = d.jets[:, :4][..., [0, 1, 2, 4]].reshape(len(pt), 16)
    return np.hstack([d.lepton, met, leading, masses])


def make(seed: int, chunk: Chunk) -> Floats:
    """The (size, 27) rows of one chunk. Even chunks have positive leptons, odd ones negative."""
    source = np.random.SeedSequence([seed, chunk.process, chunk.number])
    rng, pythia_seed = np.random.default_rng(source), int(source.generate_state(1)[0]) % 900_000_000 + 1
    events = simulate(chunk.process, pythia_seed, positive=chunk.number % 2 == 0)
    parts: list[Floats] = []
    while sum(map(len, parts)) < chunk.size:
        seen, jets = zip(*(next(events) for _ in range(BATCH)), strict=True)
        parts.append(reconstruct(detect(np.array(seen), np.array(jets), rng)))
    return np.vstack(parts)[: chunk.size]


def chunks(events: int) -> list[Chunk]:
    """Each mass has a tenth of the events, the background half."""
    sizes = {**dict.fromkeys(MASSES, events // 10), BACKGROUND: events // 2}
    return [
        Chunk(process, number, min(CHUNK, size - number * CHUNK))
        for process, size in sizes.items()
        for number in range(-(-size // CHUNK))
    ]


def run(seed: int, plan: Sequence[Chunk], workers: int) -> Floats:
    """The rows of the chunks, in their order. Ctrl-C ends the workers."""
    rows: list[Floats] = []
    with Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        jobs = [pool.apply_async(make, (seed, chunk)) for chunk in plan]
        for job in jobs:
            rows.append(job.get())
            print(f"\r{len(rows)} of {len(jobs)} chunks", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.vstack(rows)


def order_and_mass(seed: int, events: int) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """(file row -> made row, mass of each made row)."""
    rng = np.random.default_rng(seed)
    mass = np.repeat(np.array(MASSES, np.int16), events // 10)
    return rng.permutation(events), np.concatenate([mass, rng.permutation(mass)])


def write(out: Path, seed: int, rows: Floats) -> None:
    """Write the file at once or not at all. numpy stamps the members 1980-01-01: equal rows, equal bytes."""
    order, mass = order_and_mass(seed, len(rows))
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    arrays = {
        "features": ((rows - mean) / std).astype(np.float16)[order],
        "mass": mass[order],
        "label": (np.arange(len(rows)) < len(rows) // 2).astype(np.uint8)[order],
        "mean": mean,
        "std": std,
        "names": np.array(NAMES),
    }
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def check(out: Path, seed: int, workers: int) -> int:
    """Make the first two chunks of every process again; the number of rows that differ from the file's."""
    with np.load(out) as file:
        features, mean, std = file["features"], file["mean"], file["std"]
    plan = chunks(len(features))
    made = np.empty(len(features), np.int64)  # made row -> file row
    made[order_and_mass(seed, len(features))[0]] = np.arange(len(features))
    chosen = [chunk.number < 2 for chunk in plan]
    wanted = made[np.repeat(chosen, [chunk.size for chunk in plan])]
    rows = run(seed, [chunk for chunk in plan if chunk.number < 2], workers)
    differ = (((rows - mean) / std).astype(np.float16) != features[wanted]).any(axis=1)
    print(f"{len(rows)} rows made again, {differ.sum()} differ from {out.name}")
    return int(differ.sum())


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"generate.py: {message}\n")


def main() -> int:
    shipped = Path(__file__).parents[1] / "peer" / "learnae" / "resources" / "hepmass_like.npz"
    parser = Parser(description="Generate the HEPMASS-like rows with Pythia 8.")
    parser.add_argument("--events", type=int, default=280_000, help="rows, a multiple of 10 (default %(default)s)")
    parser.add_argument("--seed", type=int, default=2018, help="default %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="default: one per core")
    parser.add_argument("--out", type=Path, default=shipped, help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="compare --out with some rows made again")
    args = parser.parse_args()
    if args.events < 10 or args.events % 10 or args.workers < 1 or args.seed < 0:
        parser.error("--events takes a positive multiple of 10, --workers at least 1, --seed at least 0.")
    if not args.out.parent.is_dir() or (args.check and not args.out.is_file()):
        parser.error(f"{args.out} does not exist or cannot be made there.")
    if find_spec("pythia8mc") is None:
        parser.error("pythia8mc is missing: install data/requirements.txt.")
    try:
        if args.check:
            return 1 if check(args.out, args.seed, args.workers) else 0
        write(args.out, args.seed, run(args.seed, chunks(args.events), args.workers))
    except KeyboardInterrupt:
        print("\ngenerate.py: stopped, nothing written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
