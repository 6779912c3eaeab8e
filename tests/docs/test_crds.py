"""docs/crds.md is what the schemas say."""

from tests.docs import crds


def test_the_page_is_made_of_the_schemas_as_they_are() -> None:
    assert crds.PAGE.read_text() == crds.page(), "out of date; run python -m tests.docs.crds"
