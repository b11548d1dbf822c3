import json
import re
from collections import Counter
from itertools import product

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Rows
from conlst.augment import Synonym
from conlst.testing import check
from tests.augment.frequencies import assert_frequencies

NEAR = {"movie": ["film", "picture"], "good": ["fine"], "don't": ["never"], "the": []}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "near.json"
    file.write_text(json.dumps(NEAR))
    return str(file)


def rows_of(*texts, language="en", pairs=None):
    ids = [str(i) for i in range(len(texts))]
    return Rows(ids, list(texts), pairs, [language] * len(texts))


def slow_outcomes(text):
    """Every text that may come out, with its probability."""
    places = []
    for piece in re.findall(r"[A-Za-z']+|[^A-Za-z']+", text):
        options = [piece]
        for near in NEAR.get(piece.lower(), []):
            first = near[0].upper() if piece[0].isupper() else near[0]
            options.append(near.upper() if piece.isupper() else first + near[1:])
        places.append(options)
    outcomes = Counter()
    for way in product(*places):
        p = 1.0
        for options in places:
            p /= len(options)
        outcomes["".join(way)] += p
    return outcomes


@pytest.mark.oracle("augmenters.synonym")
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "text", ["The good movie.", "A MOVIE (good): Movie, movies!", "Don't?", ""]
)
def test_every_text_is_as_likely_as_its_words_make_it(path, text, seed):
    made, _ = Synonym(path=path).rows(rows_of(*[text] * 1500), generator=seeded(seed))
    assert_frequencies(made.texts, slow_outcomes(text))


@pytest.mark.parametrize("options", [{}, {"copies": 1}, {"copies": 5, "language": "sw"}])
def test_it_keeps_the_contract(path, options):
    check(Synonym(path=path, **options))


def test_a_word_before_a_full_stop_or_with_a_capital_has_synonyms_too(path):
    # Robust-XLT cuts at spaces and looks words up as they stand.
    made, _ = Synonym(path=path, copies=40).rows(rows_of("Good. Movie."), generator=seeded())
    assert {"Good. Movie.", "Fine. Film.", "Fine. Picture."} <= set(made.texts)


def test_every_row_has_its_copies_side_by_side_with_all_that_belongs_to_it(path):
    rows = Rows(["a", "b"], ["good"] * 2, ["movie"] * 2, ["en", "en"])
    made, origin = Synonym(path=path, copies=3).rows(rows, generator=seeded())
    assert origin.tolist() == [0, 0, 0, 1, 1, 1]
    assert origin.dtype == torch.int64
    assert list(made.ids) == ["a"] * 3 + ["b"] * 3


def test_both_texts_of_a_pair_are_changed(path):
    rows = rows_of(*["good"] * 50, pairs=["movie"] * 50)
    made, _ = Synonym(path=path).rows(rows, generator=seeded())
    assert set(zip(made.texts, made.pairs, strict=True)) == set(
        product(["good", "fine"], ["movie", "film", "picture"])
    )


def test_rows_of_other_languages_stay_as_they_are_once(path):
    rows = Rows(["1", "2", "3"], ["good movie"] * 3, None, ["sw", "en", "sw"])
    made, origin = Synonym(path=path, copies=2).rows(rows, generator=seeded())
    assert origin.tolist() == [0, 1, 1, 2]
    assert [made.texts[0], made.texts[3]] == ["good movie"] * 2


def test_no_rows_make_no_views(path):
    made, origin = Synonym(path=path).rows(rows_of(), generator=seeded())
    assert len(made) == len(origin) == 0


def test_faults_are_told_before_anything_runs(path, tmp_path):
    assert Synonym(path=path).misfits(("en", "sw")) == []
    (language,) = Synonym(path=path, language="fr").misfits(("en", "sw"))
    assert language == "language: no rows in 'fr'; allowed: en, sw"
    (missing,) = Synonym(path=str(tmp_path / "neat.json")).misfits(("en",))
    assert missing.startswith("path: there is no file")
    assert missing.endswith("in that folder: near.json")
    (tmp_path / "near.json").write_text("{")
    assert "not JSON" in Synonym(path=path).misfits(("en",))[0]


@pytest.mark.parametrize("wrong", [{"copies": 0}, {}, {"path": 3}])
def test_parameters_that_cannot_be_are_refused(path, wrong):
    with pytest.raises(ValidationError):
        Synonym.model_validate(({"path": path} if "copies" in wrong else {}) | wrong)
