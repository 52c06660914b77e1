"""What is done now and then beside the flow: weather, correlations, the archive's housekeeping."""
