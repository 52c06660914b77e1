"""What the doctor finds, on real folders, a real broker and a real database."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.broker_access import access_lines
from wattline.diagnosis import Finding, State, diagnose, satisfies
from wattline.local_servers import LOOPBACK, InfluxServer, MosquittoServer, ProgramMissingError, free_port


def _cloud_file(folder: Path, broker_url: str, broker: str = "", rest: str = "") -> Path:
    file = folder / "cloud.toml"
    keys = ("journal", "dir"), ("flow", "recovery_dir"), ("registry", "path"), ("dead_letters", "path")
    folders = "\n".join(f'[{table}]\n{key} = "{folder}/var/{table}"' for table, key in keys)
    folders = folders.replace("[journal]\n", '[journal]\nmax_bytes = "32MiB"\n')
    store = f'[store]\nspool_dir = "{folder}/var/spool"\n' + (rest or f'path = "{folder}/var/store.db"\n')
    file.write_text(f'[broker]\nurl = "{broker_url}"\n{broker}\n{folders}\n{store}')
    return file


def _agent_file(folder: Path, broker_url: str, state_dir: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(f"""
        [gateway]
        id = "gw-1"
        site = "house-1"
        state_dir = "{state_dir}"
        [broker]
        url = "{broker_url}"
        [[meter]]
        id = "m1"
        sensor = "replay"
        options.file = "none.csv"
    """)
    return file


def _found(file: Path, name: str) -> Finding:
    (finding,) = (each for each in diagnose([file]) if (each.topic, each.name) == (file.name, name))
    return finding


@pytest.fixture
def nobody() -> str:
    """The URL of a port where nothing listens."""
    return f"mqtt://{LOOPBACK}:{free_port()}"


class TestInstallation:
    def test_packages_and_programs_are_listed_with_versions(self) -> None:
        findings = {finding.name: finding for finding in diagnose([]) if finding.topic in ("python", "packages")}
        assert set(findings) == {"python", "wattline", "edge", "cloud", "models", "console", "demo"}
        assert "paho-mqtt 2." in findings["edge"].detail
        assert {finding.state for finding in findings.values()} == {State.OK}

    def test_without_a_file_it_says_what_was_not_looked_at(self) -> None:
        assert diagnose([])[-1].state is State.NOTE
        assert "-c agent.toml" in diagnose([])[-1].action

    @pytest.mark.parametrize(
        ("version", "clauses", "good"),
        [
            ("1.24.1", ">=1.24.1", True),
            ("1.24", ">=1.24.1", False),
            ("1.9", ">=1.24", False),
            ("2.0", ">=1.24,<2", False),
            ("0.21.1", "==0.21.1", True),
            ("0.21.2", "==0.21.1", False),
            ("3.17rc1", "<3.17", False),
            ("3.5", "", True),
            ("15.0.0", ">=13.9", True),
        ],
    )
    def test_versions_are_compared_by_number(self, version: str, clauses: str, good: bool) -> None:  # noqa: FBT001
        assert satisfies(version, clauses) is good


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text", "detail"),
        [
            ("none.toml", None, "No such file"),
            ("broken.toml", "[broker\n", "is not TOML"),
            ("cloud.toml", "[store]\nkind = 'oracle'\n", "store.kind"),
            ("cloud.toml", "[journal]\nsize = 1\n", "journal: unknown key 'size'"),
            ("agent.toml", "[gateway]\nid = 'gw-1'\n", "gateway: the key 'site' is missing"),
        ],
    )
    def test_a_wrong_file_needs_a_person(self, tmp_path: Path, name: str, text: str | None, detail: str) -> None:
        file = tmp_path / name
        if text is not None:
            file.write_text(text)
        finding = _found(file, "file")
        assert finding.state is State.ACTION
        assert detail in finding.detail

    def test_a_folder_that_cannot_be_made_is_found(self, tmp_path: Path, nobody: str) -> None:
        (tmp_path / "taken").write_text("a file")
        finding = _found(_agent_file(tmp_path, nobody, f"{tmp_path}/taken/state"), "gateway.state_dir")
        assert (finding.state, finding.detail) == (State.ACTION, f"{tmp_path}/taken is no folder")

    def test_a_disk_too_small_for_its_bound_is_found(self, tmp_path: Path, nobody: str) -> None:
        file = _cloud_file(tmp_path, nobody)
        assert not any(finding.name == "journal.max_bytes" for finding in diagnose([file]))
        file.write_text(file.read_text().replace('"32MiB"', '"9000TiB"'))
        finding = _found(file, "journal.max_bytes")
        assert finding.state is State.ACTION
        assert "lower journal.max_bytes" in finding.action

    def test_rules_are_read_too(self, tmp_path: Path, nobody: str) -> None:
        file, rules = _cloud_file(tmp_path, nobody), tmp_path / "alerts.toml"
        file.write_text(f'{file.read_text()}\n[alerts]\nrules = "{rules}"\n')
        rules.write_text('[[rule]]\nname = "a"\nquantity = "power_w"\nabove = 1\n')
        assert _found(file, "alerts.rules").detail == f"1 rules in {rules}"
        rules.write_text('[[rule]]\nname = "a"\nquantity = "power_w"\nabove = 1\nwindow = "7m"\n')
        assert "rule[0].window" in _found(file, "alerts.rules").detail

    def test_whatever_else_the_file_names_is_looked_at(self, tmp_path: Path, nobody: str) -> None:
        file = _cloud_file(tmp_path, nobody)
        sites, intents = tmp_path / "sites.toml", tmp_path / "intents.toml"
        sites.write_text('[[site]]\nid = "h1"\n')
        intents.write_text("[[intent]]\n")
        more = f'[sites]\nfile = "{sites}"\n[intents]\nfile = "{intents}"\n[forecast]\n'
        more += f'[notify]\nurls = ["nonsense"]\n[archive]\ndir = "{tmp_path}/archive"\n'
        file.write_text(f"{file.read_text()}\n{more}")
        assert _found(file, "sites.file").detail == f"1 sites in {sites}"
        assert "intent[0]" in _found(file, "intents.file").detail
        assert "meter: " in _found(file, "forecast").detail
        assert _found(file, "notify.urls").state is State.ACTION
        assert _found(file, "archive").state is State.OK

    @pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
    def test_a_secret_that_everybody_may_read_is_found(
        self,
        tmp_path: Path,
        nobody: str,
        mode: int,
        warned: bool,  # noqa: FBT001
    ) -> None:
        secret = tmp_path / "password"
        secret.write_text("hunter2\n")
        secret.chmod(mode)
        findings = diagnose([_cloud_file(tmp_path, nobody, f'username = "u"\npassword_file = "{secret}"')])
        assert any(finding.name == "broker.password_file" for finding in findings) is warned
        assert "hunter2" not in str(findings)


class TestBroker:
    def test_one_that_lets_us_in(self, tmp_path: Path, mosquitto: MosquittoServer) -> None:
        finding = _found(_cloud_file(tmp_path, mosquitto.url), "broker.url")
        assert (finding.state, finding.detail) == (State.OK, f"{LOOPBACK}:{mosquitto.port} lets us in")

    def test_one_that_is_not_there(self, tmp_path: Path, nobody: str) -> None:
        finding = _found(_agent_file(tmp_path, nobody, str(tmp_path)), "broker.url")
        assert finding.state is State.ACTION
        assert "Connection refused" in finding.detail

    @pytest.mark.parametrize(("password", "state"), [("right", State.OK), ("wrong", State.ACTION)])
    def test_one_that_asks_for_a_password(self, tmp_path: Path, password: str, state: State) -> None:
        try:
            lines = access_lines(tmp_path / "access", {"ingest": "right"}, ["user ingest", "topic read wattline/v1/#"])
        except ProgramMissingError as error:
            pytest.skip(str(error))
        secret = tmp_path / "password"
        secret.write_text(f"{password}\n")
        keys = f'username = "ingest"\npassword_file = "{secret}"'
        with MosquittoServer(tmp_path / "broker", extra_lines=lines, anonymous=False) as broker:
            finding = _found(_cloud_file(tmp_path, broker.url, keys), "broker.url")
        assert finding.state is state
        assert ("refuses: Not authorized" in finding.detail) is (state is State.ACTION)

    def test_one_whose_password_cannot_be_read_is_not_at_fault(self, tmp_path: Path, nobody: str) -> None:
        secret = tmp_path / "password"
        secret.write_bytes(b"hunter\xff2")
        file = _cloud_file(tmp_path, nobody, f'username = "ingest"\npassword_file = "{secret}"')
        details = [one.detail for one in diagnose([file]) if one.name == "broker.password_file"]
        assert f"cannot be read: {secret}: is not UTF-8" in details

    def test_a_plain_one_where_tls_is_asked_for(self, tmp_path: Path, mosquitto: MosquittoServer) -> None:
        url = mosquitto.url.replace("mqtt://", "mqtts://")
        finding = _found(_cloud_file(tmp_path, url), "broker.url")
        assert finding.state is State.ACTION

    def test_one_that_says_nothing(self, tmp_path: Path, silent_port: int) -> None:
        finding = _found(_cloud_file(tmp_path, f"mqtt://{LOOPBACK}:{silent_port}"), "broker.url")
        assert finding.state is State.ACTION
        assert "says nothing" in finding.detail


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


class TestStore:
    def _file(self, folder: Path, url: str, keys: str = "") -> Path:
        store = f'kind = "influxdb"\nurl = "{url}"\napi = "v1"\nbucket = "meters"\n{keys}\n'
        return _cloud_file(folder, f"mqtt://{LOOPBACK}:{free_port()}", rest=store)

    def test_a_database_with_and_without_the_bucket(self, tmp_path: Path, influxd: InfluxServer) -> None:
        file = self._file(tmp_path, influxd.url)
        finding = _found(file, "store.url")
        assert (finding.state, "has no 'meters' yet" in finding.detail) == (State.OK, True)
        influxd.create_database("meters")
        assert _found(file, "store.url").detail.endswith("answers and has 'meters'")

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        finding = _found(self._file(tmp_path, f"http://{LOOPBACK}:{free_port()}"), "store.url")
        assert finding.state is State.ACTION
        assert "Connection refused" in finding.detail

    def test_one_whose_token_cannot_be_read_is_not_at_fault(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_bytes(b"hunter\xff2")
        url = f"http://{LOOPBACK}:{free_port()}"
        details = [one.detail for one in diagnose([self._file(tmp_path, url, f'token_file = "{token}"')])]
        assert f"cannot be read: {token}: is not UTF-8" in details

    def test_one_that_refuses_us(self, tmp_path: Path, influxd: InfluxServer) -> None:
        influxd.query("CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        influxd.stop()
        secret = tmp_path / "password"
        file = self._file(tmp_path, influxd.url, f'username = "admin"\npassword_file = "{secret}"')
        with InfluxServer(influxd.directory, influxd.port, auth=True):
            secret.write_text("wrong\n")
            refused = _found(file, "store.url")
            secret.write_text("right\n")
            admitted = _found(file, "store.url")
        assert (refused.state, "(401)" in refused.detail, admitted.state) == (State.ACTION, True, State.OK)
        assert "wrong" not in str(refused)
