"""What an application's own tests look like, and what loading the plugin costs them."""

import sys

LOADED = set(sys.modules)  # before anything here imported cachu


def test_starting_pytest_imports_nothing_of_cachu():
    assert "pytest_cachu" in LOADED
    assert not {name for name in LOADED if name.partition(".")[0] == "cachu"}


def test_cachu_is_imported_as_it_is_and_the_suite_explained():
    import cachu
    from cachu.testing.suite import values

    assert type(cachu.__loader__).__name__ == "SourceFileLoader"
    assert type(values.__loader__).__name__ == "AssertionRewritingHook"


def test_the_fixtures_are_there(cachu_clean, cachu_clock, cachu_recording, cachu_chaos):
    import cachu

    @cachu.cache(ttl=300, backend="recording")
    def double(x):
        return 2 * x

    assert double(4) == double(4) == 8
    assert cachu_recording.names == ["load", "store", "load"]
    cachu_clock.advance(301)
    double(4)
    assert cachu_recording.names[-2:] == ["load", "store"]


def test_caching_is_off(cachu_disabled):
    import cachu

    assert cachu.is_disabled()
