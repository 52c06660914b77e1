"""The errors of training and export, grouped by what the caller does next.

```
ModelExportError
├── DataError      a person gives other data
├── TrainingError  a person trains with more or other data, or other options
└── ParityError    the exported graph is thrown away: it is not the trained model
```
"""

from wattline.errors import WattlineError


class ModelExportError(WattlineError):
    """Base of the errors of training and export."""


class DataError(ModelExportError):
    """A data set cannot be read, or holds nothing to learn from."""


class TrainingError(ModelExportError):
    """The data do not make a model."""


class ParityError(ModelExportError):
    """The ONNX graph and the trained pipeline disagree."""


def one_line(problem: str, most: int = 1_000) -> str:
    """A problem as one line that a terminal shows and does not obey: headers of binary files end up in messages.

    Args:
        problem: What is wrong, in any characters.
        most: Longer lines are cut in the middle: where it is comes first, what was expected last.
    """
    words = "".join(one if one.isprintable() else " " for one in problem).split()
    line = " ".join(words)
    return line if len(line) <= most else f"{line[: most // 2]} .. {line[-most // 2 :]}"
