"""Hostile keys, unstorable values and moved classes; the scenes of benchmarks/soak."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "soak"))

import contents
from stage import check


def test_s2_keys_tags_and_packages_are_any_text(tmp_path):
    """S2, S5, S7: a megabyte, NUL, lone surrogates, globs and paths; in the next process, too."""
    check(contents.strange_texts(tmp_path))


def test_v2_what_cannot_be_stored_is_returned(tmp_path):
    """V2: with one warning, and what can be stored is."""
    check(contents.unstorable_values(tmp_path))


def test_v3_a_renamed_class_is_a_miss(tmp_path):
    """V3: with one warning, and stored anew."""
    check(contents.renamed_class(tmp_path))
