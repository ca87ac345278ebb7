"""Take each guarding line out, in a copy, and see its tests fail: ``python -m mutants.run [WORD…]`` from tests/.

With words, only the guards whose description has one of them. Ends with 1 when a guard is not missed, is not found,
or its tests fail before anything is changed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mutants.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]
SOURCES = ("schemas", "producers", "consumers")
COPIED = (*SOURCES, "tests", "pyproject.toml", "README.md", "docker-compose.yml")
TIMEOUT_S = 300
ALL_TIMEOUT_S = 1_800
FELL = 1  # pytest's exit code when tests failed, and nothing else went wrong


def main(words: Sequence[str]) -> int:
    """Return the exit code."""
    guards = [guard for guard in GUARDS if not words or any(word in guard.what for word in words)]
    with tempfile.TemporaryDirectory(prefix="modeltrail-mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        code, output = run_tests(copy, sorted({test for guard in guards for test in guard.tests}), ALL_TIMEOUT_S)
        if code != 0:
            print(output)
            print("these tests fail, or do not run, with every guard in its place")
            return 1
        survivors = [guard for guard in guards if not falls(copy, guard)]
    print(f"\n{len(guards) - len(survivors)} of {len(guards)} guards are missed by a test when they are taken out")
    return 1 if survivors else 0


def falls(copy: Path, guard: Guard) -> bool:
    """Return whether a test fails without the guard; print how it went."""
    path, started = copy / guard.file, time.monotonic()
    text = path.read_text("utf-8")
    if text.count(guard.line) != 1:
        print(f"NOT FOUND  {guard.what}: {guard.file} has it {text.count(guard.line)} times")
        return False
    path.write_text(text.replace(guard.line, guard.without), "utf-8")
    try:
        code, output = run_tests(copy, guard.tests)
    finally:
        path.write_text(text, "utf-8")
    verdict = {FELL: "falls", 0: "SURVIVES"}.get(code, f"BROKEN ({code})")
    print(f"{verdict:10} {guard.promise}  {guard.what}  ({time.monotonic() - started:.0f} s)", flush=True)
    if code not in (FELL, 0):
        print(output[-3_000:])
    return code == FELL


def run_tests(copy: Path, tests: Sequence[str], timeout_s: int = TIMEOUT_S) -> tuple[int, str]:
    """Return pytest's exit code and output; a test that does not end has failed."""
    paths = os.pathsep.join(str(copy / source) for source in SOURCES)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-profile=mutants"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return FELL, str(error)
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
