"""The compact stores behind the engine: terms, postings, priors, trees."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.triage.engine.corpus import TITLE, WORD, Corpus, key
from services.triage.engine.postings import POSTINGS_KEPT, Postings
from services.triage.engine.priors import PRIOR_REPORTS, expected
from services.triage.engine.scorer import Trees
from services.triage.engine.text import checksum, token_keys
from services.triage.engine.vocabulary import Vocabulary

KEYS = st.lists(st.lists(st.integers(1, 2**35 - 1), unique=True, max_size=200), max_size=30)


@given(batches=KEYS)
@settings(max_examples=40, deadline=None)
def test_a_term_keeps_the_number_it_was_given(batches: list[list[int]]) -> None:
    vocabulary = Vocabulary()
    known: dict[int, int] = {}
    for batch in batches:
        numbers = vocabulary.numbers(np.array(batch, dtype=np.uint64))
        for term, number in zip(batch, numbers.tolist(), strict=True):
            assert known.setdefault(term, len(known)) == number
    assert vocabulary.size == len(known)


def test_terms_are_found_again_after_the_table_has_grown() -> None:
    vocabulary = Vocabulary()
    keys = np.arange(1, 50_001, dtype=np.uint64) << np.uint64(7)
    for start in range(0, len(keys), 500):
        vocabulary.numbers(keys[start : start + 500])
    assert (vocabulary.numbers(keys) == np.arange(50_000)).all()


@given(reports=st.lists(st.lists(st.integers(0, 40), unique=True, max_size=41), max_size=80))
@settings(max_examples=40, deadline=None)
def test_postings_hold_what_was_entered(reports: list[list[int]]) -> None:
    postings = Postings()
    postings.know(41)
    expected_: dict[int, list[int]] = {}
    for doc, terms in enumerate(reports):
        postings.add(np.array(terms, dtype=np.int32), doc)
        for term in terms:
            expected_.setdefault(term, []).append(doc)
    for term, docs in expected_.items():
        assert sorted(postings.of(np.array([term], dtype=np.int32)).tolist()) == docs


def test_a_frequent_term_keeps_its_latest_reports() -> None:
    postings = Postings()
    postings.know(1)
    for doc in range(POSTINGS_KEPT + 10):
        postings.add(np.zeros(1, dtype=np.int32), doc)
    found = postings.of(np.zeros(1, dtype=np.int32)).tolist()
    assert sorted(found) == list(range(10, POSTINGS_KEPT + 10))


def test_a_title_word_knows_the_word_itself() -> None:
    corpus = Corpus()
    sums = np.array([checksum("login")], dtype=np.uint64)
    title = corpus.terms(key(TITLE, sums))
    assert corpus.terms(key(WORD, sums)).tolist() == corpus.twin.view[title].tolist()


def test_common_words_are_expected_before_the_first_report() -> None:
    stems = [token_keys(word)[0][0] for word in ("when", "umlaut")]
    common, rare = expected(key(WORD, np.array(stems, dtype=np.uint64)))
    assert PRIOR_REPORTS > common > 10 * rare


def test_trees_read_as_written() -> None:
    trees = Trees(
        feature=np.array([[0, 1, 1]], dtype=np.int32), threshold=np.array([[0.5, 1.0, 2.0]], dtype=np.float32),
        value=np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32), start=10.0,
    )  # fmt: skip
    x = np.array([[0.5, 1.0], [0.5, 1.5], [0.6, 2.0], [0.6, 2.5]], dtype=np.float32)
    assert trees.raw(x).tolist() == [11.0, 12.0, 13.0, 14.0]
