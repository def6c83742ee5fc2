"""Fixtures: `boot` makes machines, `machine` is one that the tests of a file share."""

import re

import pytest

from quire.machine import BUILD, DISK, INITRD, KERNEL, Machine

LOGS = BUILD / "test-logs"


def pytest_sessionstart(session):
    missing = [path.name for path in (KERNEL, INITRD, DISK) if not path.exists()]
    if missing and not session.config.option.collectonly:
        raise pytest.UsageError(f"{', '.join(missing)} not built: run `make`, or `make test`")


@pytest.hookimpl(tryfirst=True)         # xdist looks at the groups in the same hook
def pytest_collection_modifyitems(items):
    """With several workers, the tests of one file stay together: they share a machine."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the end of the console of every machine that runs, and keeps it all in a file."""
    report = (yield).get_result()
    if not report.failed:
        return
    for number, machine in enumerate(Machine.alive):
        report.sections.append((f"console of {machine.name}", machine.tail(60)))
        name = re.sub(r"[^\w.-]+", "_", item.nodeid)
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{name}.{number}.log").write_text(machine.console)


@pytest.fixture
def boot(request):
    """boot(**parameters of Machine) starts a machine that ends with the test; wait=False: no prompt yet."""
    machines = []

    def start(*, wait=True, **parameters):
        machine = Machine(request.node.name, **parameters)
        machines.append(machine)
        if wait:
            machine.wait_for_prompt()
        return machine

    yield start
    for machine in machines:
        machine.close()


@pytest.fixture(scope="module")
def shared_machine(request):
    """One machine after the other: a new one when the last has ended or is not at its prompt."""
    machines = []

    def current():
        if machines and not (machines[-1].is_running() and machines[-1].console.endswith("quire$ ")):
            machines.pop().close()
        if not machines:
            machines.append(Machine(request.node.name))
            machines[-1].wait_for_prompt()
        return machines[-1]

    yield current
    for machine in machines:
        machine.close()


@pytest.fixture
def machine(shared_machine):
    """A machine at its prompt, shared by the tests of the file."""
    return shared_machine()
