"""The shared language of edge and cloud: readings, wire, topics, durable log, and the `wattline` command."""
