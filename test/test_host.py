"""Kernel code compiled for the host under sanitizers: each driver of test/host with each seed is a case.

QUIRE_SEEDS=100 runs seeds 1 to 100 of each.  A failure shows the driver's last steps; `build/host/drivers NAME SEED` repeats
it, and under gdb `break fail_at` stops there.
"""

import os
import re
import subprocess

import pytest

from quire.machine import BUILD, ROOT, SCALE

DRIVERS = BUILD / "host" / "drivers"
SEEDS = int(os.environ.get("QUIRE_SEEDS", "4"))
LIMIT = 120 * SCALE                     # seconds; a driver takes one or two


def cases():
    names = re.findall(r"^X\((\w+),", (ROOT / "test/host/drivers.def").read_text(), re.M)
    for name in names:
        for seed in range(1, SEEDS + 1):
            yield pytest.param(name, seed, id=f"{name}-{seed}", marks=pytest.mark.xdist_group(f"host-{name}"))


@pytest.mark.parametrize("driver, seed", cases())
def test_host(driver, seed):
    assert DRIVERS.exists(), f"{DRIVERS} is not built: run `make host-test`"
    options = {"ASAN_OPTIONS": "quarantine_size_mb=16", "UBSAN_OPTIONS": "print_stacktrace=1"}
    run = subprocess.run([DRIVERS, driver, str(seed)], env=os.environ | options, timeout=LIMIT,
                         capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, f"{driver} with seed {seed}: exit status {run.returncode}\n{run.stdout}{run.stderr}"
