"""The way between two languages: who goes which part of it."""

from contextlib import contextmanager

from conlst.augment.translators import Translator
from conlst.augment.translators.hops import hops, nobody, obstacles


class Known(Translator):
    """Knows some pairs, and lacks something for others."""

    pairs: tuple[str, ...]
    lacks: tuple[str, ...] = ()

    def knows(self, source, target):
        return f"{source}-{target}" in self.pairs

    def obstacle(self, source, target):
        return "a program is missing" if f"{source}-{target}" in self.lacks else None

    @contextmanager
    def opened(self):
        yield lambda texts, source, target, *, generator: list(texts)


Known.name = "known"
FIRST = Known(pairs=("en-es",), lacks=("en-es",))
SECOND = Known(pairs=("en-es", "es-fr"))


def ends(way):
    return [(hop.source, hop.target, hop.translator) for hop in way]


def test_each_part_goes_to_the_first_that_knows_it():
    assert ends(hops("en", "es", None, [FIRST, SECOND])) == [("en", "es", FIRST)]
    over = hops("en", "fr", "es", [FIRST, SECOND])
    assert ends(over) == [("en", "es", FIRST), ("es", "fr", SECOND)]


def test_without_one_of_its_parts_there_is_no_way():
    assert hops("en", "fr", None, [FIRST, SECOND]) == []
    assert hops("en", "fr", "es", [FIRST]) == []
    assert "'en' into 'fr' via 'es' (asked: known)" in nobody("en", "fr", "es", ["known"])


def test_what_a_part_lacks_is_said_of_it():
    (lack,) = obstacles(hops("en", "fr", "es", [FIRST, SECOND]))
    assert lack == "'en' into 'es' by known: a program is missing"
