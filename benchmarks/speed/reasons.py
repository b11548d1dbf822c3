"""Why a goal is missed, in a line; filled in by hand after the measurement it speaks of."""

ON_A_CPU = {
    "labelling": (
        "by count: this processor multiplies some 2.1 times as fast in bf16 as in fp32 (the goals "
        "were set where it was 6 to 9 times), half of what the slowest peer computes is padding, "
        "and our pass runs at .83 of the matrix rate, so nothing is left to win 12 times by."
    ),
    "draws": (
        "an anchor each means 512 look-ups at random and 32 rows to check for repeats; with 1e4 "
        "rows, some 330 a class, two shared draws in three meet a repeat; with 1e7, look-ups miss "
        "the caches, by a neighbour's load more or less; language and group of a pool are int64, "
        "16 bytes a row, which is a promise of `Pool`."
    ),
    "flexmatch": (
        "the online step clips and makes AdamW's step, which the bare arm does not, and its pool "
        "and selection are made and checked anew for each batch; measured four times on two "
        "machines it was 1.05 to 1.13."
    ),
    "bf16_training": (
        "bf16 multiplies some 2.1 times as fast as fp32 here, which bounds the ratio; padding, "
        "which plain autocast pays for, is in neither arm."
    ),
}
ON_AN_H200 = {
    "labelling": (
        "of the quarter of a second that 1,024 rows take ours, the arithmetic is some .03; about "
        "half is tokenising on one thread (.11 s on the machine of the table above), which the "
        "Trainer arms are spared; the rest is launches and Python, for a pass this short."
    ),
    "matrix_rate": (
        "a step of 32 rows is some 1,500 tokens, 2 ms of arithmetic for the smaller encoder; it "
        "waits for Python and the launching of kernels, which take some 30 ms whatever the rows. "
        "With 256 rows the larger one is no longer held up by it."
    ),
    "many_negatives": (
        "a GPU is given chunks of 8,192 tokens, four times a CPU's, to fill it; the step with few "
        "negatives has 3,000 tokens in all."
    ),
    "draws": (
        "no GPU has a part in this goal: the processor beside it takes twice as long for a small "
        "NumPy call as the one of the table above."
    ),
    "flexmatch": "launches: the step has three streams, and clips and makes AdamW's step besides.",
    "vocabulary": (
        "in bf16 both arms wait for launches, which hides most of what AdamW is spared; in fp32 "
        "they do not."
    ),
    "bf16_training": (
        "launches again: in the smaller encoder fp32 is not slowed by its arithmetic, and plain "
        "autocast's padding costs less than the calls that lay rows end to end."
    ),
}

REASONS: dict[str, dict[str, str]] = {
    "cpu": ON_A_CPU,
    "nvidia-h200": ON_AN_H200,
}
"""Host (of the result file) -> goal (its file's name) -> what falls short, and why."""
