"""Random trees of snapshots, clones, slices and references, compared with a model of what they hold.

QUIRE_CLONE_SEEDS and QUIRE_CLONE_STEPS make the runs longer (`make soak`).
"""

import os

import pytest

from quire.clone_model import Difference, compare

SEEDS = int(os.environ.get("QUIRE_CLONE_SEEDS", "20"))
FIRST = int(os.environ.get("QUIRE_CLONE_FIRST", "1"))
STEPS = int(os.environ.get("QUIRE_CLONE_STEPS", "2000"))
TREES = 6


def run_guest(machine, *arguments):
    """The lines of each tree of a run of t_cow_tree."""
    output = machine.check("tests/t_cow_tree " + " ".join(map(str, arguments)))
    assert output.splitlines()[-1] == "end 0", f"frames are left over: {output.splitlines()[-1]}"
    trees = [[]]
    for line in output.splitlines()[:-1]:
        if line.startswith("tree "):
            trees.append([])
        else:
            trees[-1].append(line)
    return trees


@pytest.fixture(scope="module")
def one_hart(request):
    from quire.machine import Machine

    with Machine(request.node.name, cpus=1) as machine:
        yield machine


@pytest.fixture(scope="module")
def four_harts(request):
    from quire.machine import Machine

    with Machine(request.node.name, cpus=4) as machine:
        yield machine


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_tree_is_what_the_model_says(one_hart, seed):
    """Every word, every status, and the number of frames of the whole system."""
    try:
        compare(run_guest(one_hart, seed, STEPS)[0], seed, STEPS)
    except Difference as difference:            # once more, step by step where it went wrong
        compare(run_guest(one_hart, seed, STEPS, 0, difference.step)[0], seed, STEPS)
        raise


@pytest.mark.parametrize("seed", range(FIRST * 1000, (FIRST + max(1, SEEDS // 5)) * 1000, 1000))
def test_trees_side_by_side(four_harts, seed):
    """Trees of several threads over the same roots: each is what it would be alone."""
    trees = run_guest(four_harts, seed, STEPS // 2, TREES)[1:]
    assert len(trees) == TREES
    for number, lines in enumerate(trees):
        compare(lines, seed + number, STEPS // 2, exact=False)
