"""The dialect of the v2 write API: InfluxDB 2.x, 3 Core, 1.8, and what imitates them.

Writing goes through `influxdb-client`; reading is InfluxQL over `/query`, which
these servers kept (2.x maps a bucket's name to itself; 1.8 calls it a database).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from cloud_stream.errors import StoreRejectedError, StoreUnavailableError
from cloud_stream.stores.http import TIMEOUT_S, Answer, HttpConnection
from cloud_stream.stores.influx import FORBIDDEN, NO_CONTENT, NOT_FOUND, UNAUTHORIZED
from cloud_stream.stores.influxql import PARAMETERS

_NO_BUCKETS_API: Final = (400, NOT_FOUND, 405, 501)
"""How servers say that they make databases by themselves, or in another way."""


class InfluxV2:
    """A `Backend` over the v2 API.

    Args:
        url: Where it listens.
        org: The organisation; servers without any ignore it.
        bucket: The bucket, or the database's name; made in `prepare` where the server has an API for it.
        token: Goes into a header only.
        retention_ms: Of a bucket that `prepare` makes; an existing one keeps its own.
    """

    def __init__(self, url: str, org: str, bucket: str, token: str, retention_ms: int) -> None:
        # The client refuses to be made without a token, also for servers that ask for none.
        self._client: Any = InfluxDBClient(url=url, token=token or "none", org=org, timeout=int(TIMEOUT_S * 1000))
        self._writer: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._http = HttpConnection(url, {"Authorization": f"Token {token}"} if token else {})
        self._org = org
        self._bucket = bucket
        self._retention_ms = retention_ms

    def prepare(self) -> None:
        """See `Store.prepare`."""
        try:
            self._make_bucket()
        except ApiException as error:
            answer = _answer(error)
            if answer.status in _NO_BUCKETS_API:
                return
            if answer.status in (UNAUTHORIZED, FORBIDDEN):
                raise StoreRejectedError(f"{self._bucket}: {answer.status} {answer.problem}") from None
            raise StoreUnavailableError(f"{self._bucket}: {answer.status} {answer.problem}") from None
        except (HTTPError, OSError) as error:
            raise StoreUnavailableError(f"{self._bucket}: {_brief(error)}") from error

    def write(self, body: bytes) -> Answer:
        """See `Backend.write`."""
        try:
            self._writer.write(self._bucket, self._org, body, WritePrecision.MS)
        except InfluxDBError as error:
            return _answer(error)
        except (HTTPError, OSError) as error:
            raise StoreUnavailableError(f"write: {_brief(error)}") from error
        return Answer(NO_CONTENT, b"", 0.0)

    def query(self, statements: str) -> Iterator[Answer]:
        """See `Backend.query`."""
        return self._http.lines("/query", {"db": self._bucket, "q": statements, **PARAMETERS})

    def close(self) -> None:
        """See `Backend.close`."""
        self._writer.close()
        self._client.close()
        self._http.close()

    def _make_bucket(self) -> None:
        buckets = self._client.buckets_api()
        if buckets.find_bucket_by_name(self._bucket) is not None:
            return
        rule = {"type": "expire", "everySeconds": self._retention_ms // 1000}
        buckets.create_bucket(bucket_name=self._bucket, org=self._org, retention_rules=[rule])


def _answer(error: InfluxDBError) -> Answer:
    """What the server said, out of the client's exception, which would also print all headers."""
    response: Any = error.response
    body = getattr(error, "body", None) or (error.message or "").encode()
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    wait = str(headers.get("Retry-After", "0"))
    data = body if isinstance(body, bytes) else str(body).encode()
    return Answer(response.status if response is not None else 0, data, float(wait) if wait.isdigit() else 0.0)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__} {error}"[:300]
