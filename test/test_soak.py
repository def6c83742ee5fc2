"""The stress programs for longer than as tests, each in a machine of its own (`make soak`).

QUIRE_SOAK_SECONDS says how long each of them runs; without it there is nothing to do here.
"""

import os

import pytest

from quire.ktap import machine_parameters, programs

SECONDS = int(os.environ.get("QUIRE_SOAK_SECONDS", "0"))
SEED = int(os.environ.get("QUIRE_CLONE_FIRST", "1"))
STRESSES = {name: source for name, source in programs().items() if name.startswith("t_stress_")}


@pytest.mark.timeout(SECONDS * 4 + 900)
@pytest.mark.parametrize("program", STRESSES if SECONDS else [])
def test_soak(boot, program):
    machine = boot(**machine_parameters(STRESSES[program]))
    machine.run("true")
    before = machine.run("free").output
    result = machine.run(f"tests/{program} soak {SECONDS} {SEED}", limit=SECONDS * 4 + 600)
    assert result.status == 0, f"seed {SEED}: {result.output}"
    print(result.output, before, machine.run("free").output)
