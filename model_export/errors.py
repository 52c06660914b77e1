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
