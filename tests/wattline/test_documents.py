"""README and guides: their configuration files load, their commands exist, their tables name real things."""

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from cloud_stream import config as cloud_config
from cloud_stream.alerts.rules import load_rules
from cloud_stream.intents.wishes import load_book
from cloud_stream.sites import Defaults, Sites, load_sites
from edge_agent import config as agent_config
from edge_agent.sensors import meter_options
from tests.wattline.demo.test_summary import EXACT
from wattline.demo.summary import summarise

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "guides").glob("*.md")])
README = (ROOT / "README.md").read_text()
GATEWAY = '[gateway]\nid = "x"\nsite = "x"\nstate_dir = "x"\n[broker]\nurl = "mqtt://x"\n'


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


_BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def _blocks(page: Path, language: str) -> list[str]:
    return [text for _, found, text in _BLOCK.findall(page.read_text()) if found == language]


def _commands(page: Path) -> list[str]:
    """Lines of code blocks, and inline code, that call `wattline`."""
    lines = [line.strip() for block in _blocks(page, "") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`(wattline [^`\n]*)`", page.read_text())
    lines = [line.removeprefix(".venv/bin/") for line in lines]
    return [re.split(r"   |#", line)[0] for line in lines if line.startswith("wattline ")]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_configuration_files_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.onnx").touch()
    file = tmp_path / "example.toml"
    wishes = ""
    for text in _blocks(page, "toml"):
        if "[[rule]]" in text:
            file.write_text(text)
            assert load_rules(file, {300_000, 1_800_000})
        elif "[[meter]]" in text:
            file.write_text(text if "[gateway]" in text else GATEWAY + text)
            for number, meter in enumerate(agent_config.load_config(file).meter):
                meter_options(meter, f"meter[{number}]")
        elif "[[intent" in text or "[[tariff" in text:
            wishes += text  # a tariff stands in a block of its own
        elif "[[site" in text or "[defaults]" in text:
            file.write_text(text)
            load_sites(file)
        elif "[detector" in text:
            file.write_text(GATEWAY + text + '[[meter]]\nid = "x"\nsensor = "dsmr"\n')
            agent_config.load_config(file)
        else:
            file.write_text(text)
            cloud_config.load_config(file)
    if wishes:
        file.write_text(wishes)
        assert load_book(
            file, Sites(Defaults(currency="GBP", tariff=re.findall(r'\[\[tariff\]\]\nname = "(.*?)"', wishes)[0]))
        ).wishes


@lru_cache
def _help(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wattline", *words, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("line", sorted({line.strip() for page in PAGES for line in _commands(page)}))
def test_commands_and_their_options_exist(line: str) -> None:
    words = line.split()[1:]
    if words and words[0].startswith("-"):
        return
    depth = next((n for n, word in enumerate(words) if not re.fullmatch(r"[a-z]+", word)), len(words))
    text = _help(*words[: min(depth, 2)])
    for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", line):
        assert re.search(rf"(?<![a-z-]){re.escape(option)}(?![a-z-])", text), option


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_summary_table_names_the_keys_of_the_json() -> None:
    printed = summarise(EXACT).as_dict()
    table = re.findall(r"^\| `([a-z_.]+)` \|", README, re.MULTILINE)
    assert {key.partition(".")[0] for key in table} == set(printed)
    assert {key for key in table if key.startswith("readings.")} == {f"readings.{key}" for key in printed["readings"]}
