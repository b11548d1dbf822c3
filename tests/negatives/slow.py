"""Who may be a negative of whom, one row at a time, on lists."""

import torch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Told:
    """A pool as lists."""

    def __init__(self, pool):
        self.probs = pool.probs_NC.tolist()
        self.label = [q.index(max(q)) for q in self.probs]
        self.confident = pool.confident.tolist()
        self.codes = pool.languages
        self.code = [pool.languages[i] for i in pool.language.tolist()]
        self.group = pool.group.tolist()
        self.features = pool.features_ND.tolist()

    def allowed(self, anchor, languages):
        """The codes of the languages an anchor may draw from."""
        if isinstance(languages, dict):
            return {code for code in self.codes if languages.get(code, 0) > 0}
        if languages == "all":
            return set(self.codes)
        own = {self.code[anchor]}
        return own if languages == "own" else set(self.codes) - own

    def rows(self, asked, codes, *, sure=True):
        """The rows predicted to be of a class, in some languages; confident ones if `sure`."""
        return [
            j
            for j, label in enumerate(self.label)
            if label == asked and self.code[j] in codes and (self.confident[j] or not sure)
        ]

    def admissible(self, anchor, asked, languages="all", *, sure=True):
        """The rows an anchor may draw, ascending."""
        rows = self.rows(asked, self.allowed(anchor, languages), sure=sure)
        return [j for j in rows if self.group[j] != self.group[anchor]]


def as_chance_would(counts, expected):
    """Whether counts differ from what is expected no more than chance lets them (chi-square)."""
    chi = sum((n - e) ** 2 / e for n, e in zip(counts, expected, strict=True))
    free = len(counts) - 1
    return chi < free + 5 * (2 * free) ** 0.5


def unit(vector):
    length = sum(x * x for x in vector) ** 0.5
    return [x / length for x in vector] if length else vector


def cosine(a, b):
    return sum(x * y for x, y in zip(unit(a), unit(b), strict=True))
