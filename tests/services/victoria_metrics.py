"""VictoriaMetrics: a real server that takes InfluxDB's line protocol from a v2 client, numeric values only."""

from collections.abc import Sequence

from wattline.local_servers import LOOPBACK, HttpServer


class VictoriaMetricsServer(HttpServer):
    """A single-node VictoriaMetrics that keeps what it is given, however old."""

    program = "victoria-metrics"
    package = "victoria-metrics"
    ready_path = "/health"

    def flush(self) -> None:
        """Make everything accepted so far visible to queries.

        Raises:
            LocalServerError: It does not answer.
        """
        self.get("/internal/force_flush")

    def export(self, selector: str) -> str:
        """Return the stored series that match, one JSON object a line, with times in milliseconds.

        Args:
            selector: Such as `{__name__="usage_energy_kwh"}`.

        Raises:
            LocalServerError: It does not answer, or with an error.
        """
        return self.get("/api/v1/export", {"match[]": selector})

    def _arguments(self) -> Sequence[str]:
        return [
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr={LOOPBACK}:{self.port}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=256MB",
            "-loggerLevel=ERROR",
        ]
