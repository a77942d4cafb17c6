"""Fuzzing: python fuzz/run.py [TARGET ...] [--executions N] [--seconds S] [--engine own|atheris]

Each target runs in a process of its own, under a limit of memory and one of CPU time an input. The
engine `atheris` follows the branches that inputs take (Linux on x86_64); `own` damages seeded
files at random and runs everywhere. An input that shows a fault is written to var/fuzz.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import faulthandler
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mutator import Mutator
from targets import TARGETS, Target

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "var" / "fuzz"
RESULTS = ROOT / "fuzz" / "results.json"
MEMORY_BYTES = 192 << 20
"""Beyond what the interpreter, the modules and the seeds take, for all executions together."""
INPUT_CPU_S = 2.0
_HANG_S = 600  # of a clock, where even that of the CPU stands still
_SEED = 20261130


class TooLong(BaseException):
    """An input took more CPU time than any may; no handler of ours may swallow it."""


def bounded(run: Callable[[bytes], None], cpu_s: float = INPUT_CPU_S) -> Callable[[bytes], None]:
    """Return *run*, held to *cpu_s* of CPU time an input: what others do does not count."""

    def late(*_: Any) -> None:
        raise TooLong(f"more than {cpu_s:g} s of CPU time")

    signal.signal(signal.SIGVTALRM, late)

    def held(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
        try:
            run(data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return held


def limit_memory(more_bytes: int = MEMORY_BYTES) -> None:
    """Let this process take so much more than it has now."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
        limit = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def damage(target: Target, executions: int, seconds: float, seed: int) -> int:
    """Run *target* over damaged seeds; return how many were run, raise at the first fault."""
    run, until, done = bounded(target.run), time.monotonic() + seconds, 0
    for data in Mutator(target.seeds(), seed, target.most_bytes).inputs(executions):
        try:
            run(data)
        except BaseException:
            _keep(data)
            raise
        done += 1
        if time.monotonic() > until:
            break
    return done


def _keep(data: bytes) -> None:
    FAULTS.mkdir(parents=True, exist_ok=True)
    path = FAULTS / f"fault-{os.getpid()}"
    path.write_bytes(data)
    print(f"the input is kept as {path}", file=sys.stderr)


def follow(name: str, target: Target, executions: int, seconds: float, seed: int) -> None:
    """Run *target* under atheris, which ends this process."""
    import atheris

    with atheris.instrument_imports(include=list(target.modules)):
        for warm in target.seeds():
            target.run(warm)  # modules are imported here, so that they are instrumented
    limit_memory()
    corpus = FAULTS / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data[: target.most_bytes])
    arguments = [
        sys.argv[0], f"-runs={executions}", f"-max_total_time={int(seconds)}", f"-seed={seed}",
        f"-max_len={target.most_bytes}", f"-timeout={_HANG_S}", "-rss_limit_mb=0",
        "-print_final_stats=1", f"-artifact_prefix={FAULTS}/{name}-", str(corpus),
    ]  # fmt: skip
    atheris.Setup(arguments, bounded(target.run))
    atheris.Fuzz()


def _one(name: str, options: argparse.Namespace) -> int:
    """Run one target in this process."""
    faulthandler.enable()
    target = TARGETS[name]
    if options.engine == "atheris":
        follow(name, target, options.executions, options.seconds, options.seed)
        return 0
    target.seeds()
    target.run(target.seeds()[0])
    limit_memory()
    done = damage(target, options.executions, options.seconds, options.seed)
    print(f"Done {done} runs")
    return 0


def _apart(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one target in a process of its own, and return what became of it."""
    started = time.monotonic()
    command = [
        sys.executable, __file__, name, "--here", "--engine", options.engine,
        "--executions", str(options.executions), "--seconds", str(options.seconds),
        "--seed", str(options.seed),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    runs = [int(number) for number in re.findall(r"Done (\d+) (?:runs|in)", said)]
    runs += [int(number) for number in re.findall(r"number_of_executed_units: (\d+)", said)]
    covered = re.findall(r"cov: (\d+)", said)
    found = {
        "target": name,
        "engine": options.engine,
        "executions": max(runs, default=0),
        "seconds": round(time.monotonic() - started, 1),
        "branches": int(covered[-1]) if covered else None,
        "fault": None if done.returncode == 0 else _fault(said),
    }
    if done.returncode:
        FAULTS.mkdir(parents=True, exist_ok=True)
        (FAULTS / f"{name}.log").write_text(said)
    print(f"{name:14} {found['executions']:>9,} executions in {found['seconds']:6.1f} s", end="")
    print(f"  FAULT: {found['fault']}" if found["fault"] else "", flush=True)
    return found


def _fault(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|TooLong|Exit)\b", line)]
    return (errors or [line for line in lines if line] or ["it ended without a word"])[-1][:300]


def has_atheris() -> bool:
    """Return whether this machine has the engine that follows branches."""
    with contextlib.suppress(ImportError):
        import atheris

        return atheris is not None
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all without")
    parser.add_argument("--executions", type=int, default=100_000, help="of each target")
    parser.add_argument("--seconds", type=float, default=3_600, help="at most, of each target")
    parser.add_argument("--engine", choices=("atheris", "own"), default=None)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    options.engine = options.engine or ("atheris" if has_atheris() else "own")
    if options.here:
        return _one(options.targets[0], options)
    found = [_apart(name, options) for name in options.targets or TARGETS]
    if options.save:
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        # an earlier run of other targets stays
        kept = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
        found += [one for one in kept if one["target"] not in {run["target"] for run in found}]
        RESULTS.write_text(json.dumps({"date": date, "runs": found}, indent=1) + "\n")
    return 1 if any(one["fault"] for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
