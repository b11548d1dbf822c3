"""The arithmetic of the slow versions, on lists of floats."""

import math


def softmax(z):
    total = sum(math.exp(one) for one in z)
    return [math.exp(one) / total for one in z]


def cross_entropy(z, y):
    return -sum(one * math.log(p) for one, p in zip(y, softmax(z), strict=True))


def kl(p, q):
    return sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0)


def dot(u, v):
    return sum(a * b for a, b in zip(u, v, strict=True))


def unit(v):
    length = math.sqrt(dot(v, v))
    return [a / length for a in v]
