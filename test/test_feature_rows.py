"""Every row of the feature table has a test that is named after it, or a reason why not."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "mkfs"))

import feature_rows                                             # noqa: E402

MAY_BE_LEFT_OUT = {5, 27, 37, 48, 90, 91, 93}
WAITS = "waits for a file server that writes"                   # how such a reason begins


def test_the_table_is_complete():
    assert list(feature_rows.rows()) == [*range(1, 100), *range(131, 144)]


def test_every_row_has_a_test_or_a_reason():
    missing = set(feature_rows.rows()) - set(feature_rows.tests()) - set(feature_rows.reasons())
    assert not missing, f"rows without a test: {sorted(missing)}"


def test_reasons_are_needed_and_allowed():
    reasons = feature_rows.reasons()
    assert not set(reasons) & set(feature_rows.tests()), "left out, but there is a test"
    assert not [row for row, text in reasons.items() if row not in MAY_BE_LEFT_OUT and not text.startswith(WAITS)]


def test_tests_belong_to_rows_of_the_table():
    assert not set(feature_rows.tests()) - set(feature_rows.rows())


def test_the_page_is_current():
    """docs/default-pager-rows.md is what `make docs` writes."""
    assert (ROOT / "docs" / "default-pager-rows.md").read_text() == feature_rows.page(), "run `make docs`"
