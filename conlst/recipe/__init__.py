"""The recipe: everything a run depends on, as data.

Settings (model, data, budget) and methods (stages) are separate files joined by `extends`; every
ablation is a value. A recipe is checked whole before anything runs, and all its faults are told at
once, each with its JSON path.
"""

from conlst.recipe.files import PACKAGED, find, merged, packaged
from conlst.recipe.fit import augmented, parts_of, readout, run_languages
from conlst.recipe.loading import load, schema
from conlst.recipe.sections import (
    Columns,
    ContrastiveStage,
    Data,
    File,
    Model,
    Optimisation,
    Recipe,
    SelfTrainingStage,
    SourceData,
    SourceStage,
    Target,
    Translation,
)
from conlst.recipe.translating import labelled_languages, ways

__all__ = [
    "PACKAGED",
    "Columns",
    "ContrastiveStage",
    "Data",
    "File",
    "Model",
    "Optimisation",
    "Recipe",
    "SelfTrainingStage",
    "SourceData",
    "SourceStage",
    "Target",
    "Translation",
    "augmented",
    "find",
    "labelled_languages",
    "load",
    "merged",
    "packaged",
    "parts_of",
    "readout",
    "run_languages",
    "schema",
    "ways",
]
