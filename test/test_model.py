"""The models of a page request's life, searched to the end; errors planted in them must be found (docs/model.md)."""

import shutil

import pytest

import spin_model
from quire.machine import SCALE

LIMIT = int(600 * SCALE)                # seconds of a processor; the longest search takes 15 on a fast one
pytestmark = pytest.mark.timeout(3600 * SCALE)  # all that one test searches, however busy the host is


@pytest.fixture(scope="module")
def checkers():
    assert shutil.which("spin"), "spin is not installed: run `make setup`"
    return spin_model.build_all("safety", spin_model.SAFETY)


@pytest.fixture(scope="module")
def whole_searches(checkers):
    return {part: spin_model.Search(checkers, part, limit=LIMIT) for part in spin_model.PARTS}


@pytest.mark.parametrize("part", spin_model.PARTS)
def test_no_run_goes_wrong(whole_searches, part):
    search = whole_searches[part]
    assert search.finished and search.errors == 0, search.output


def test_everything_happens(whole_searches):
    assert len(spin_model.expected()) > 40
    assert not spin_model.expected() - set().union(*(search.seen for search in whole_searches.values()))


@pytest.mark.parametrize("error", spin_model.planted())
def test_planted_error_is_found(checkers, error):
    number, part = spin_model.planted()[error]
    search = spin_model.Search(checkers, part, plant=number, limit=LIMIT)
    assert search.violation, search.output


def test_no_run_goes_in_circles():
    assert shutil.which("spin"), "spin is not installed: run `make setup`"
    checkers = spin_model.build_all("cycles", spin_model.CYCLES, ["ONE_CASE"])
    for part in spin_model.CIRCLES:
        search = spin_model.Search(checkers, part, "-l", limit=LIMIT)
        assert search.finished and search.errors == 0, search.output
