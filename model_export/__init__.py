"""Training, evaluation and ONNX export of the models the edge and the cloud run."""
