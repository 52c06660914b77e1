"""Families of detectors, by name. Each fits a scikit-learn pipeline on feature rows and writes it as a graph."""

from typing import Final

SINGLE: Final = {
    "gmm": "model_export.families.gmm",
    "iforest": "model_export.families.iforest",
    "kmeans": "model_export.families.kmeans",
    "ocsvm": "model_export.families.ocsvm",
    "residual": "model_export.families.residual",
}
"""Family to its module, a `model_export.families.port.Family`."""
ENSEMBLE: Final = "ensemble"
FAMILIES: Final = SINGLE | {ENSEMBLE: "model_export.families.ensemble"}
"""All that can be asked for: the single ones, and several together."""
