"""How long one update of the live page takes: working it out on the server, and showing it in Chromium.

A simulated session is told to a served page in steps, at most one update a second.  The server's time is the
processor's for all parts as JSON; the browser's is from the event until words, tables and the charts in sight are drawn
(1440 x 900): at the top of the page, at its links while the swarm is split in half, and at its flows.  The goal is
200 ms at up to 100 peers, as the sum of both medians.  Also how soon after it is opened the page shows its first event.

    python bench/page.py [--steps 8]
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # sessions, browser and server are those of the tests

from tests.helpers.swarms import run
from tests.stack.browser import QUIET, program
from tests.stack.stage import Stage

from learnae.records.history import History, Record
from learnae.web.live_page.parts import page_parts

PEERS = (20, 100, 200)
GOAL = 200.0  # ms
GOAL_UP_TO = 100  # peers
SPLIT = {"kind": "split", "at": 1.0, "duration": 60.0}  # s: for most of the session
PLACES = {"top": "now", "links": "network", "flows": "money"}
LAST = "performance.getEntriesByName('update').at(-1)"


def served(records: list[Record]) -> float:
    """Milliseconds of the processor, which other work on the machine does not lengthen much."""
    began = time.thread_time()
    for part in page_parts(History(tuple(records))).values():
        json.dumps(part)
    return 1000 * (time.thread_time() - began)


def shown(page: Page, stage: Stage, records: list[Record]) -> float:
    before = page.evaluate(f"{LAST}?.startTime ?? 0")
    stage.tell(records)
    page.wait_for_function(f"{LAST}?.startTime > {before}")
    return float(page.evaluate(f"{LAST}.duration"))


def measure(browser: Browser, peers: int, place: str, steps: int) -> tuple[float, list[float], list[float]]:
    """Seconds until the first event; milliseconds of each update on the server and in the browser."""
    faults = [SPLIT] if place == "network" else []
    records = run({"peers": peers, "work": {"slices": 10, "patience": 15}, "faults": faults}).records
    stage, page = Stage(), browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    stage.open()
    size, server, client = len(records) // (steps + 1), [], []
    stage.tell(records[:size])
    began = time.perf_counter()
    page.goto(stage.address)
    page.wait_for_selector("#state:has-text('running')")
    first = time.perf_counter() - began
    page.evaluate(f"document.getElementById('{place}').scrollIntoView({{behavior: 'instant'}})")
    for step in range(1, steps + 1):
        client.append(shown(page, stage, records[step * size : (step + 1) * size]))
        server.append(served(records[: (step + 1) * size]))
    page.close()
    stage.close()
    return first, server, client


def main() -> int:
    parser = argparse.ArgumentParser(description="time of one update of the live page")
    parser.add_argument("--steps", type=int, default=8)
    steps = parser.parse_args().steps
    worst = 0.0
    print("| peers | in sight | first event s | server ms, median (max) | browser ms, median (max) | both | load |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=QUIET)
        for peers in PEERS:
            for name, place in PLACES.items():
                first, *both = measure(browser, peers, place, steps)
                told = " | ".join(f"{statistics.median(each):.0f} ({max(each):.0f})" for each in both)
                total, load = sum(statistics.median(each) for each in both), os.getloadavg()[0]
                print(f"| {peers} | {name} | {first:.1f} | {told} | {total:.0f} | {load:.1f} |", flush=True)
                worst = max(worst, total if peers <= GOAL_UP_TO else 0.0)
        browser.close()
    return 0 if worst <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
