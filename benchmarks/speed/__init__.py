"""The ten speed goals: one file a goal, each with a `measure(setting)` that returns its lines."""

GOALS = {
    "labelling": 1,
    "matrix_rate": 2,
    "padding": 3,
    "contrastive_step": 4,
    "many_negatives": 5,
    "draws": 6,
    "flexmatch": 7,
    "vocabulary": 8,
    "start": 9,
    "bf16_training": 10,
}
"""The file of each goal, and the goal's number."""
