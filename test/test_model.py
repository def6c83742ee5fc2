"""The model of a page request's life, searched to the end; errors planted in it must be found (docs/model.md)."""

import shutil

import pytest

import spin_model
from quire.machine import SCALE

LIMIT = 240 * SCALE                     # seconds; on an idle host the longest takes 25


@pytest.fixture(scope="module")
def checker():
    assert shutil.which("spin"), "spin is not installed: run `make setup`"
    return spin_model.build("safety", spin_model.SAFETY)


@pytest.fixture(scope="module")
def whole_search(checker):
    return spin_model.Search(checker, limit=LIMIT)


def test_no_run_goes_wrong(whole_search):
    assert whole_search.finished and whole_search.errors == 0, whole_search.output


def test_everything_happens(whole_search):
    assert len(spin_model.expected()) > 20
    assert not spin_model.expected() - whole_search.seen


@pytest.mark.parametrize("error", spin_model.planted())
def test_planted_error_is_found(checker, error):
    search = spin_model.Search(checker, plant=spin_model.planted()[error], limit=LIMIT)
    assert search.violation, search.output


def test_no_run_goes_in_circles():
    assert shutil.which("spin"), "spin is not installed: run `make setup`"
    search = spin_model.Search(spin_model.build("cycles", spin_model.CYCLES, ["ONE_CASE"]), "-l", limit=LIMIT)
    assert search.finished and search.errors == 0, search.output
