"""Forecasters: trained on many series at once, judged on others, written as ONNX."""
