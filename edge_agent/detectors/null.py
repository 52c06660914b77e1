"""The detector that finds nothing: detection switched off."""

import numpy as np
import numpy.typing as npt


class NullDetector:
    """Scores every interval 0."""

    name = "null"
    threshold = 1.0

    def score(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Find nothing in N intervals."""
        return np.zeros(len(features), np.float32), np.zeros(len(features), np.bool_)


def no_detector(_interval_ms: int) -> None:
    """Leave intervals of every length unjudged."""
