"""Which gateway may speak for which site."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud_stream import registry as module
from cloud_stream.errors import RegistryError
from cloud_stream.registry import Gateway, Registry


def _now() -> int:
    return 1000


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    made: list[Registry] = []

    def make(policy: module.Policy = "open") -> Registry:
        made.append(Registry(tmp_path / "var" / "registry.db", policy))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


# what happens, in order: (gateway, site) -> verdict
@pytest.mark.parametrize(
    ("policy", "messages"),
    [
        ("open", [("gw-1", "a", ""), ("gw-1", "a", ""), ("gw-1", "b", "foreign_site"), ("gw-2", "b", "")]),
        ("open", [("gw-1", "", ""), ("gw-1", "a", ""), ("gw-1", "", "")]),
        ("enrolled", [("gw-1", "a", "unknown_gateway"), ("known", "home", ""), ("known", "b", "foreign_site")]),
        ("enrolled", [("gw-1", "", "unknown_gateway"), ("known", "", "")]),
        ("open", [("revoked", "home", "revoked_gateway"), ("revoked", "", "revoked_gateway")]),
        ("enrolled", [("revoked", "home", "revoked_gateway")]),
    ],
)
def test_the_verdict_follows_policy_and_site(
    opened: Callable[..., Registry], policy: module.Policy, messages: list[tuple[str, str, str]]
) -> None:
    registry = opened(policy)
    registry.enrol("known", "home", 1)
    registry.enrol("revoked", "home", 1)
    assert registry.revoke("revoked", 2)
    assert [registry.verdict(gateway, site, _now) for gateway, site, _ in messages] == [m[2] for m in messages]


def test_a_registration_survives_a_restart(opened: Callable[..., Registry]) -> None:
    opened().verdict("gw-1", "a", _now)
    assert opened().gateways() == [Gateway("gw-1", "a", "admitted", 1000)]
    assert opened().verdict("gw-1", "b", _now) == "foreign_site"


def test_what_another_process_decides_is_noticed_at_the_next_refresh(opened: Callable[..., Registry]) -> None:
    ours, theirs = opened(), opened()
    ours.verdict("gw-1", "a", _now)
    theirs.enrol("gw-1", "b", 5)
    ours.refresh()
    assert ours.verdict("gw-1", "b", _now) == ""
    assert theirs.revoke("gw-1", 6)
    ours.refresh()
    assert ours.verdict("gw-1", "b", _now) == "revoked_gateway"


def test_two_that_register_at_once_agree_on_the_first(opened: Callable[..., Registry]) -> None:
    ours, theirs = opened(), opened()
    assert ours.verdict("gw-1", "a", _now) == ""
    assert theirs.verdict("gw-1", "b", _now) == "foreign_site"


def test_an_unknown_gateway_cannot_be_revoked(opened: Callable[..., Registry]) -> None:
    assert not opened().revoke("gw-1", 1)


def test_invented_gateways_end_somewhere(opened: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GATEWAYS", 2)
    registry = opened()
    verdicts = [registry.verdict(f"gw-{n}", "a", _now) for n in range(3)]
    assert verdicts == ["", "", "registry_full"]
    assert registry.verdict("gw-0", "a", _now) == ""


@pytest.mark.parametrize("content", [b"this is not a database, whatever its name says", None])
def test_a_file_that_cannot_be_used_is_an_error_of_ours(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "registry.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(RegistryError):
        Registry(path, "open")
