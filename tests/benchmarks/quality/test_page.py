"""The page of results: one file, which a browser opens and which says what was found."""

import re
from html import parser
from pathlib import Path

import pytest

from benchmarks.quality import cases, comparing, page, report, results, running
from benchmarks.quality.pictures import drawing, gantt, standing
from scheduler.simulate import outcome
from tests.benchmarks.quality import browser
from tests.benchmarks.quality.making import result

MOVED = [
    result("a", "ours", 100, moved_gb=1),
    result("a", "wow", 250, moved_gb=3),
    result("a", "ours-no-delay", 120),
    result("b", "ours", 100),
    result("b", "wow", 50, fetching_s=0),
]


@pytest.fixture(scope="module")
def found() -> list[results.Result]:
    """Some that never were, and one of a run that can be shown."""
    return [*MOVED, running.measure(cases.Case(cases.PIPELINES, cases.OWN, "ours", 1), 60)]


@pytest.fixture(scope="module")
def written(found: list[results.Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report.html(["some machine <of ours>"], found, 1, trials=3))
    return file


def headings(text: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_headings_say_what_is_found(written: Path) -> None:
    told = headings(written.read_text())
    assert "On cluster, ours is sooner than every other in the mean; wow comes nearest" in told
    assert "Of what can be switched, no-delay changes makespans most: 1.20 times" in told
    assert "In 1 of 3 pieces of work somebody is sooner than ours, wow by the most" in told
    assert any("ours moves 810 MB" in each and "745 MB" in each for each in told)
    assert any("pipelines" in each and "22 pods" in each for each in told)


def test_an_arm_that_is_ahead_is_said_to_be() -> None:
    text = report.html([], [result("a", "ours", 100), result("a", "heft", 80), result("a", "wow", 70)], 1, trials=1)
    assert "On cluster, wow and heft are sooner than ours in the mean" in headings(text)


def test_nothing_comes_from_elsewhere_and_nothing_runs(written: Path) -> None:
    text = written.read_text()
    assert not re.search(r"""(src|href|url|@import)\s*[=(]""", text)
    assert "<script" not in text
    assert "some machine &lt;of ours&gt;" in text


def test_all_that_is_drawn_has_a_colour_in_the_light_and_in_the_dark(written: Path) -> None:
    text = written.read_text()
    light, dark = re.findall(r":root\{(.*?)\}", text)
    used = set(re.findall(r"var\(--([a-z-]+)[,)]", text)) - {"arm-ours-no-delay"}
    for each in (light, dark):
        assert used <= set(re.findall(r"--([a-z-]+):#", each))


def test_what_is_opened_is_closed(written: Path) -> None:
    """But for cells, rows and paragraphs, which HTML lets stand open."""
    left_open: list[str] = []

    class Reader(parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "br", "td", "th", "tr"}:
                left_open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert left_open.pop() == tag

    Reader().feed(written.read_text())
    assert left_open == []


@pytest.mark.skipif(not browser.PROGRAM, reason=browser.WHY_NOT)
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_a_browser_opens_it(written: Path, tmp_path: Path, *, is_dark: bool) -> None:
    told, said = browser.dom(written)
    assert headings(told) == headings(written.read_text()), "it takes the page as it is written"
    assert "CONSOLE" not in said
    picture = tmp_path / "page.png"
    browser.screenshot(written, picture, is_dark=is_dark)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000, "it is not blank"


def test_ticks_are_round_and_reach_the_end() -> None:
    assert drawing.ticks(0.9) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert drawing.ticks(4200) == [0, 1000, 2000, 3000, 4000]
    assert drawing.ticks(0) == [0]


def test_a_mark_stands_where_its_ratio_is_and_at_the_edge_beyond() -> None:
    drawn = standing.picture({"wow": [("level", 1), ("slow", 99), ("slower", 999)]})
    level, slow, slower = (float(x) for x in re.findall(r'circle cx="([\d.]+)"', drawn))
    ours = re.search(r'line x1="([\d.]+)"[^>]*stroke:var\(--arm-ours', drawn)
    assert ours is not None
    assert level == float(ours[1])
    assert level < slow == slower


def test_pods_of_a_node_that_overlap_have_lanes_of_their_own() -> None:
    def ran(name: str, bound_s: float, done_s: float) -> outcome.Ran:
        return outcome.Ran(
            pod=name, arrived_s=0, bound_s=bound_s, node="n", began_s=bound_s, worked_s=done_s, done_s=done_s
        )

    pods = (ran("a", 0, 10), ran("b", 5, 15), ran("c", 10, 20))
    run = outcome.Outcome(scenario="s", arm="ours", seed=1, ended_s=20, pods=pods, moves=())
    tops = {
        name: top
        for top, name in re.findall(r'<rect x="[\d.]+" y="([\d.]+)"[^>]*><title>(\w+): bound', gantt.picture(run))
    }
    assert tops["a"] == tops["c"] != tops["b"]


def test_a_makespan_far_above_the_least_stands_out() -> None:
    told = page.makespans(comparing.table(MOVED))
    assert "<td class=best>100.0<td class=worse>250.0" in told


def test_ours_may_be_shown_beside_none_but_itself() -> None:
    found = [result("a", "ours-no-delay", 120), result("a", "ours-no-batch", 110)]
    assert "Every makespan" in headings(report.html([], found, 1, trials=1))
