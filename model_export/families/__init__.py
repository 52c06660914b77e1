"""Families of detectors, by name. Each fits a scikit-learn pipeline on feature rows."""

from typing import Final

FAMILIES: Final = {"gmm": "model_export.families.gmm"}
"""Family to the module with its `fit(matrix, seed)` and `raw_score(pipeline, matrix)`."""
