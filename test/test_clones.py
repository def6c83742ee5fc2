"""Random trees of snapshots, clones, slices and references, compared with a model of what they hold.

QUIRE_CLONE_SEEDS and QUIRE_CLONE_STEPS make the runs longer (`make soak`).
"""

import os

import pytest

from quire.clone_memory_model import CHECK_EVERY
from quire.clone_model import Tree
from quire.machine import Machine

SEEDS = int(os.environ.get("QUIRE_CLONE_SEEDS", "20"))
FIRST = int(os.environ.get("QUIRE_CLONE_FIRST", "1"))
STEPS = int(os.environ.get("QUIRE_CLONE_STEPS", "2000"))
TREES = 6


class Difference(Exception):
    """The guest printed something else; `step` is the first step of the line that differs."""

    def __init__(self, text, step):
        super().__init__(text)
        self.step = step


def compare(lines, seed, steps, exact=True):
    """Raise Difference if the guest's lines are not the model's."""
    tree = Tree(seed, steps, exact)
    guest = iter(lines)
    for expected in tree.lines():
        actual = next(guest, "(nothing)")
        while actual.startswith("# "):
            step = int(actual.split()[1])
            if actual != tree.told[step]:
                raise Difference(f"seed {seed}: step {step} differs\nguest {actual}\nmodel {tree.told[step]}\n" +
                                 "\n".join(line for line in tree.log if int(line.split()[0]) <= step), step)
            actual = next(guest, "(nothing)")
        if actual == expected:
            continue
        end = int(expected.split()[1])
        differ = [f"  guest {a}   model {b}" for a, b in zip(actual.split(), expected.split()) if a != b]
        raise Difference("\n".join([f"seed {seed}: the line of step {end} differs", f"guest {actual}",
                                    f"model {expected}", *differ, "steps:", *tree.log]), end - CHECK_EVERY)
    extra = next(guest, None)
    if extra is not None:
        raise Difference(f"seed {seed}: the guest printed more: {extra}", steps)


def run_guest(machine, *arguments):
    """The lines of each tree of a run of t_cow_tree."""
    output = machine.check("tests/t_cow_tree " + " ".join(map(str, arguments)))
    assert output.splitlines()[-1] == "end 0", f"frames are left over: {output.splitlines()[-1]}"
    trees = [[]]
    for line in output.splitlines()[:-1]:
        if line.startswith("tree "):
            trees.append([])
        elif line:
            trees[-1].append(line)
    return trees


@pytest.fixture(scope="module")
def one_hart():
    """Without a disk nothing else runs, so that frames can be counted."""
    with Machine("one_hart", cpus=1, disk=None) as machine:
        yield machine


@pytest.fixture(scope="module")
def four_harts():
    with Machine("four_harts", cpus=4) as machine:
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


def test_kills_on_one_hart(one_hart):
    """test_guest.py runs the same on four."""
    one_hart.check("tests/t_cow_kill")
