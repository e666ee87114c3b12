"""Embeddings of the rules brain: near in meaning, the same everywhere, of any length."""

import math
import subprocess
import sys

import pytest

from azureai_emulator.brains import vectors, word_table, wordpiece
from azureai_emulator.brains.vectors import image_vector, text_vector

# Queries and documents that share no word of meaning; written for this test.
PAIRS = [
    (
        "How do I get my cash back for a broken toaster?",
        "Customers may return faulty appliances and receive a full refund.",
    ),
    (
        "What should a pilot do when an engine fails?",
        "Emergency procedures for aircraft after loss of thrust during flight.",
    ),
    ("Which animals sleep all winter?", "Bears and hedgehogs hibernate from November until spring."),
    ("My kid has a high temperature", "Treating fever in children: give fluids and call a doctor after three days."),
    ("Ways to save on heating bills", "Insulating the roof and sealing windows lowers household energy costs."),
    ("Who painted the ceiling in the Vatican?", "Michelangelo finished the frescoes of the Sistine Chapel in 1512."),
    ("The laptop will not switch on", "Troubleshooting a notebook computer that does not boot: check the battery."),
    ("best soil for growing roses", "Garden shrubs with fragrant flowers need loamy earth rich in compost."),
    ("How fast can a cheetah run?", "The quickest land mammal reaches 110 kilometres per hour over short distances."),
    ("steps to become a lawyer", "An attorney needs a degree in jurisprudence and must pass the bar examination."),
    ("Where can I leave my car?", "Parking garages near the station are open around the clock."),
    ("recipe without meat", "Vegetarian lasagne with spinach, ricotta and tomato sauce."),
    ("Why is the ocean salty?", "Rivers carry dissolved minerals into the sea, where sodium chloride accumulates."),
    ("cheap place to stay overnight", "Budget hotels and hostels offer beds from twenty euros."),
    ("how to fire an employee", "Terminating a worker's contract requires written notice and a valid reason."),
    ("Our team lost the final", "The club was defeated in the championship's deciding match."),
    ("improve my credit rating", "Paying loans on time raises a borrower's financial score with banks."),
    ("learning to play the piano", "Music lessons for beginners on keyboard instruments."),
    ("the king died in battle", "The monarch was killed during the war against the invaders."),
    ("When do the shops close on Sundays?", "Store opening hours at weekends end at six in the evening."),
]


def cosine(first, second):
    return sum(a * b for a, b in zip(first, second, strict=True))


def ranks(dimensions):
    """Where each query finds its document, 0 is first."""
    documents = [text_vector(document, dimensions, "document") for _, document in PAIRS]
    found = []
    for index, (query, _) in enumerate(PAIRS):
        scores = [cosine(text_vector(query, dimensions, "query"), document) for document in documents]
        found.append(sum(score > scores[index] for score in scores))
    return found


@pytest.mark.parametrize("dimensions", [64, 256, 1024, 1536, 3072])
def test_half_of_the_documents_are_found_by_meaning_alone(dimensions):
    """Hashed words found 1 or 2 of these 20; the model itself finds 20."""
    assert ranks(dimensions).count(0) >= 10


def test_the_dimensions_change_no_angle():
    """A longer vector says the same as a shorter one, to the digits that are kept."""
    texts = [text for pair in PAIRS[:4] for text in pair]
    short = [text_vector(text, 64) for text in texts]

    for dimensions in (128, 1000, 1024, 3072):
        long = [text_vector(text, dimensions) for text in texts]
        for i, j in ((0, 1), (2, 5), (3, 7)):
            assert cosine(long[i], long[j]) == pytest.approx(cosine(short[i], short[j]), abs=1e-5)


@pytest.mark.parametrize(
    "text", ["a dog barks", "", "   ", "?!", "日本の首都は東京です", "Привет, мир", "🦜", "x" * 5000]
)
@pytest.mark.parametrize("dimensions", [1, 7, 64, 100, 1024])
def test_every_text_has_a_vector_of_length_one(text, dimensions):
    """Also what no table knows, and what is no word at all."""
    for input_type in (None, "query", "document"):
        vector = text_vector(text, dimensions, input_type)

        assert len(vector) == dimensions
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)


def test_texts_of_which_nothing_is_known_differ():
    """Other scripts are hashed by words and groups of letters, so inflected forms are still near."""
    vectors = [
        text_vector(text, 1024) for text in ("Привет, мир", "Добрый вечер", "東京", "大阪", "🦜", "🐙", "?!", "...")
    ]

    for i, first in enumerate(vectors):
        assert all(cosine(first, second) < 0.9 for second in vectors[i + 1 :])
    near = cosine(text_vector("библиотека", 1024), text_vector("библиотеки", 1024))

    assert near > 0.4
    assert cosine(text_vector("библиотека", 1024), text_vector("велосипед", 1024)) < 0.1


def test_accents_and_case_are_left_aside():
    """As MiniLM reads."""
    assert text_vector("Crème BRÛLÉE", 64) == text_vector("creme brulee", 64)


def test_query_and_document_differ_a_little():
    """`input_type` is a shift, not another space."""
    query, document = (text_vector("the tallest mountain", 1024, kind) for kind in ("query", "document"))

    assert query != document
    assert cosine(query, document) > 0.95


def test_the_text_with_an_image_lies_in_the_space_of_texts():
    """A caption is near to what it means; an image alone is near to no text."""
    picture = bytes(range(256)) * 4
    captioned = image_vector(picture, "a brown dog on the grass", 1024)
    about, other = (text_vector(text, 1024) for text in ("puppies playing in the garden", "income tax declaration"))

    assert cosine(captioned, about) > cosine(captioned, other) + 0.15
    assert abs(cosine(image_vector(picture, "", 1024), about)) < 0.15


def test_another_process_makes_the_same_vector():
    """No seed, no clock, no order of hashing."""
    code = "from azureai_emulator.brains.vectors import text_vector; print(text_vector('Rivers, привет', 96, 'query'))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert shown.stdout.strip() == str(text_vector("Rivers, привет", 96, "query"))


def test_the_table_is_read_when_it_is_needed_first():
    """Importing the emulator reads no data."""
    code = (
        "import azureai_emulator.api.routes; from azureai_emulator.brains import word_table, wordpiece, vectors\n"
        "before = word_table._table.cache_info().currsize + wordpiece.vocabulary.cache_info().currsize\n"
        "vectors.text_vector('one', 64)\n"
        "print(before, word_table._table.cache_info().currsize, wordpiece.vocabulary.cache_info().currsize)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert shown.stdout.split() == ["0", "1", "1"]


def test_table_and_vocabulary_fit_together():
    """A row and a factor for each piece; about 2 MB with the licence beside them."""
    table, factors = word_table._table()

    assert len(wordpiece.vocabulary()) == len(factors) == len(table) / word_table.DIMENSIONS == 30522
    assert sum(file.stat().st_size for file in wordpiece.DATA.iterdir()) < 2_500_000
    assert "Apache License" in (wordpiece.DATA / "LICENSE.txt").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2" in (wordpiece.DATA / "NOTICE.md").read_text(encoding="utf-8")


# Source: the ids that the tokenizer of bert-base-uncased gives.
TOKENS = {
    "Hello world!": [101, 7592, 2088, 999, 102],
    "unaffable": [101, 14477, 20961, 3468, 102],
    "don't": [101, 2123, 1005, 1056, 102],
    "Crème brûlée": [101, 13675, 21382, 7987, 9307, 2063, 102],
}


@pytest.mark.parametrize("text", TOKENS)
def test_texts_fall_into_the_pieces_of_the_model(text):
    """Longest first; punctuation by itself; accents gone."""
    assert wordpiece.token_ids(text, 256) == TOKENS[text]


def test_long_texts_are_cut_and_keep_the_final_mark():
    """At most so many pieces, both marks among them."""
    ids = wordpiece.token_ids("word " * 400, 256)

    assert (len(ids), ids[0], ids[-1]) == (256, 101, 102)


def test_frequent_words_count_less_than_rare_ones():
    """`the` says little about a text, `hedgehog` much."""
    the, hedgehog = (math.hypot(*word_table.word_meaning(word)) for word in ("the", "hedgehog"))

    assert hedgehog > 20 * the
    assert cosine(text_vector("the hedgehog of the", 64), text_vector("hedgehog", 64)) > 0.98


def test_the_vectors_differ_by_a_feature_of_an_unknown_word():
    """A known and an unknown word together: both are seen."""
    assert 0.3 < cosine(vectors.text_vector("weather Москва", 1024), vectors.text_vector("weather", 1024)) < 0.99
