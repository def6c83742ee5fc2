"""The test programs of user/tests: each of their cases is a test here, each program boots once."""

import pytest

from quire.ktap import ProgramRun, cases, programs

FINISHES = "finishes"                   # a test of ours: the program printed all and ended well


def all_cases():
    for program, source in programs().items():
        for case in [*cases(source), FINISHES]:
            yield pytest.param(program, case, id=f"{program}-{case}",
                               marks=pytest.mark.xdist_group(f"guest-{program}"))


@pytest.fixture(scope="session")
def run_once():
    """The run of a program, from its first use on."""
    runs = {}

    def run(program):
        if program not in runs:
            runs[program] = ProgramRun(program, programs()[program])
        return runs[program]

    return run


@pytest.mark.parametrize("program, case", all_cases())
def test_guest(run_once, program, case):
    run = run_once(program)
    if case == FINISHES:
        assert not run.problem, f"tests/{program}: {run.problem}\n{run.tail()}"
        return
    outcome = run.outcomes.get(case)
    assert outcome, f"the case was not reported: {run.problem or 'not in the output'}\n{run.tail()}"
    if outcome.remark.startswith("SKIP"):
        pytest.skip(outcome.remark[5:])
    assert outcome.passed, outcome.remark
