"""What `model_export` promises."""
