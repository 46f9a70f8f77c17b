"""The pages speak of what is there: links and anchors resolve, and what they tell to type, open or read exists."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from hw_tests.bench import against_board, scenario
from hw_tests.bench.vehicles import VEHICLES
from hw_tests.board_tests import runner
from hw_tests.board_tests.__main__ import WIRED
from hw_tests.desk import flash

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"^([A-Z_]+) +\?=", MAKEFILE, re.M))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
OURS = r"(?:firmware|lib|hw_tests|host_tests|docs|\.ci)"


def every_page(test):
    """Run a test once a page."""
    return pytest.mark.parametrize("page", TEXT)(test)


def code(page):
    """What a page shows as code: fenced, indented, or between backticks."""
    text = TEXT[page]
    fenced = [line for block in FENCED.findall(text) for line in block.splitlines()]
    rest = FENCED.sub("", text)
    indented = [line.strip() for line in rest.splitlines() if line.startswith("    ")]
    return [*fenced, *indented, *re.findall(r"`([^`\n]+)`", rest)]


def makes(page):
    """(target, the words after it) of each `make` that a page shows, without its comment."""
    lines = [line.partition("  #")[0].strip() for line in code(page)]
    return [(found[1], found[2]) for line in lines if (found := re.match(r"make ([a-z-]+)(.*)", line))]


def said(variable):
    """(page, word) of each `VARIABLE=word` that any page shows as code; a quoted value is one entry a word."""
    for page in TEXT:
        for line in code(page):
            for quoted, plain in re.findall(rf'\b{variable}=(?:"([^"]*)"|([\w.:/@-]+))', line):
                yield from ((page, word) for word in (quoted or plain).split())


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@every_page
def test_links_lead_somewhere(page):
    """Relative ones; what is behind a # is a heading of the page that it leads to."""
    for link in LINK.findall(TEXT[page]):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        there = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert there.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{page}: {link}"


@every_page
def test_a_page_that_is_named_as_code_is_there(page):
    """Paths of the repository; * and NN stand for more than one."""
    for word in code(page):
        for path in re.findall(rf"(?<![\w/.]){OURS}/[\w./*-]*\w", word):
            pattern = path.replace("NN", "[0-9][0-9]").replace("NAME", "*")
            assert list(ROOT.glob(pattern)) or list(ROOT.glob(pattern + ".*")), f"{page}: {path}"


@every_page
def test_what_to_type_is_a_target_with_its_variables(page):
    """`make console PORT=...`: neither a target nor a variable that the Makefile does not know."""
    for target, words in makes(page):
        assert target in TARGETS, f"{page}: make {target}"
        unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", words)
        assert not set(re.findall(r"\b([A-Z_]+)=", unquoted)) - VARIABLES, f"{page}: make {target}{words}"


@pytest.mark.parametrize("variable, known", [
    ("SCENARIO", [*scenario.known(), against_board.ALL, "mine.toml"]),
    ("VEHICLE", VEHICLES),
    ("PROFILE", [name for kind in VEHICLES.values() for name in kind.profiles]),
    ("BOARD", flash.boards()),
    ("WIRED", WIRED),
    ("ONLY", [path.stem[:2] for path in runner.tests()]),
])  # fmt: skip
def test_a_word_that_a_page_gives_is_one_that_the_program_takes(variable, known):
    """Scenarios, vehicles, cars, boards, what is wired, and the numbers of tests."""
    words = list(said(variable))
    assert words and not [(page, word) for page, word in words if word not in known]


def test_every_variant_that_a_page_names_is_one_of_its_scenario():
    """`make run SCENARIO=emergency ARGS="--variant cc1_lost_40"`, or the program behind it."""
    lines = [line for page in TEXT for line in code(page)]
    found = [(re.search(r"(?:SCENARIO=|bench run )(\w+)", line)[1], variant)
             for line in lines for variant in re.findall(r"--variant (\w+)", line)]  # fmt: skip
    assert found and all(variant in scenario.variants(name) for name, variant in found), found


def test_the_versions_that_a_page_gives_are_the_pinned_ones():
    """docs/dependencies.md, row by row, against the locks."""
    locks = [path.read_text(encoding="utf-8") for path in (ROOT / ".ci").glob("requirements*.txt")]
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", "\n".join(locks), re.M))
    rows = re.findall(r"^\| ([\w., -]+) \| ([^|]+) \|", TEXT["docs/dependencies.md"], re.M)
    told = [pair for names, cell in rows for pair in zip(names.split(", "), re.findall(r"\d+\.[\w.]+", cell))]
    known = [(name, version) for name, version in told if name in pins]
    assert len(known) > 15
    assert [pair for pair in known if pins[pair[0]] != pair[1]] == []


def test_every_test_that_a_page_names_is_there():
    """A proof that was renamed is none."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "host_tests").rglob("test_*.py")]
    there = {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
    there |= {path.stem for path in (ROOT / "host_tests").rglob("test_*.py")}
    for page in TEXT:
        for word in code(page):
            for name in re.findall(r"\btest_\w+\b(?!\*)", word):
                assert name in there or any(each.startswith(name) for each in there if name.endswith("_")), (page, name)


@every_page
def test_a_module_that_is_to_be_started_is_there(page):
    """`python -m package.module`."""
    for line in code(page):
        for name in re.findall(r"python3? -m ((?:hw_tests|host_tests)[\w.]*)", line):
            assert importlib.util.find_spec(name), f"{page}: {name}"


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is():
    """Nobody finds a page by listing a folder."""
    reached, ahead = {"README.md"}, ["README.md"]
    while ahead:
        text = TEXT[ahead.pop()]
        links = {Path(link.partition("#")[0]).name for link in LINK.findall(text)}
        found = [name for name in TEXT if name not in reached and (f"`{name}`" in text or Path(name).name in links)]
        reached.update(found)
        ahead += found
    assert {name for name in TEXT if not name.startswith("docs/boards/")} <= reached


def test_help_names_every_target_and_every_variable():
    """What `make help` does not tell is not found."""
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = set(re.findall(r"^  make ([a-z-]+) ", told, re.M))
    assert shown == TARGETS - {"bootstrap", "bootstrap-perf"}
    variables = told.partition("Variables:")[2].partition("Scenarios:")[0]
    assert VARIABLES <= set(re.findall(r"\b[A-Z_]+\b", variables))
