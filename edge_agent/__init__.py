"""The agent that runs beside the meters: sensors, intervals, detector, outbox, publisher."""
