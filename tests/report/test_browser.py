"""The browser of answers works in a real Chromium: filters, search, pages, links, keys; nothing of a reply runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from strive.stages.report.page import write_report

from .chromium import Browser, find_chromium
from .eval_runs import prediction, write_eval

HOSTILE = "</script><script>window.ran=1</script><img src=x onerror='window.ran=2'><!--<script>"
PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")
FOUND, CARDS = "document.getElementById('found').firstChild.textContent", "document.querySelectorAll('.card').length"
A_MOMENT = "new Promise((done) => setTimeout(done, 250))"
STATUSES = {3: "unparsed", 4: "ambiguous", 5: "truncated"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(str(PROGRAM), tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty questions: 0 to 9 wrong, three of them not read, the others right; 11 is hostile."""
    folder = tmp_path_factory.mktemp("page")
    rows = [prediction(n, float(n > 9), status=STATUSES.get(n, "ok")) for n in range(60)]
    rows[3] |= {"parsed": None, "prediction": "no idea about any Zeppelin"}
    rows[11] |= {"prediction": HOSTILE, "question": HOSTILE, "options": [HOSTILE, "b"], "parsed": HOSTILE}
    return write_report([write_eval(folder / "run", rows)], folder / "r.html")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on twelve questions: b wins 6 to 9 and loses 0 and 1."""
    folder = tmp_path_factory.mktemp("pair")
    a = write_eval(folder / "a", [prediction(n, float(n < 6)) for n in range(12)])
    b = write_eval(folder / "b", [prediction(n, float(2 <= n < 10)) for n in range(12)], model="other")
    return write_report([a, b], folder / "r.html")


def ids(browser: Browser) -> list[str]:
    return list(browser.run("[...document.querySelectorAll('.card')].map((one) => one.dataset.id)"))


def click(browser: Browser, text: str) -> None:
    """Press the button that begins with `text`."""
    browser.run(f"[...document.querySelectorAll('button')].find((one) => one.textContent.startsWith({text!r})).click()")


def choose(browser: Browser, label: str, value: str) -> None:
    """Pick from the list beside `label` the entry that begins with `value`."""
    browser.run(f"""(() => {{
      const labels = [...document.querySelectorAll('#selects label')];
      const list = labels.find((one) => one.firstChild.textContent === {label!r}).querySelector('select');
      list.value = [...list.options].find((option) => option.textContent.startsWith({value!r})).value;
      list.dispatchEvent(new Event('change'));
    }})()""")


def search(browser: Browser, text: str) -> None:
    browser.run(f"""(() => {{ const one = document.getElementById('find'); one.value = {text!r};
      one.dispatchEvent(new Event('input')); return {A_MOMENT}; }})()""")


def test_everything_is_listed_twenty_to_a_page(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run(FOUND) == "1 to 20 of 60 questions" and browser.run(CARDS) == 20
    chips = browser.run("[...document.querySelectorAll('#kinds button')].map((one) => one.textContent)")
    assert chips == ["all60", "right50", "truncated1", "ambiguous1", "unparsed1", "wrong7"]
    click(browser, "next")
    assert ids(browser)[0] == "q20" and browser.run(FOUND) == "21 to 40 of 60 questions"
    browser.run("document.activeElement.blur()")
    browser.key("ArrowRight")
    assert ids(browser)[-1] == "q59" and "page=3" in browser.run("location.hash")
    browser.key("ArrowRight")
    assert ids(browser)[-1] == "q59", "there is no page after the last"
    assert browser.complaints() == []


@pytest.mark.parametrize(("kind", "names"), [
    ("wrong", ["q0", "q1", "q2", "q6", "q7", "q8", "q9"]), ("unparsed", ["q3"]), ("ambiguous", ["q4"]),
    ("truncated", ["q5"])])
def test_a_filter_shows_its_kind_alone_by_click_and_by_address(browser: Browser, page: Path, kind: str,
                                                               names: list[str]) -> None:
    browser.open(page)
    click(browser, kind)
    assert ids(browser) == names and browser.run("location.hash") == f"#filter={kind}"
    browser.open(page, f"filter={kind}")
    assert ids(browser) == names
    pressed = browser.run("[...document.querySelectorAll('#kinds [aria-pressed=true]')].map((one) => one.textContent)")
    assert pressed == [f"{kind}{len(names)}"]


def test_category_and_search_narrow_down_together(browser: Browser, page: Path) -> None:
    browser.open(page, "filter=wrong")
    choose(browser, "family", "count")
    assert ids(browser) == ["q1", "q7", "q9"]
    search(browser, "hm 7")
    assert ids(browser) == ["q7"]
    search(browser, "nothing has this")
    assert ids(browser) == [] and browser.run(FOUND) == "No question is like that."
    browser.run("document.querySelector('#found a').click()")
    browser.run(A_MOMENT)
    assert browser.run(FOUND) == "1 to 20 of 60 questions"
    search(browser, "ZEPPELIN idea")
    assert ids(browser) == ["q3"]


def test_a_card_tells_what_was_read_and_marks_options(browser: Browser, page: Path) -> None:
    browser.open(page, "id=q0")
    card = browser.run("document.querySelector('.card').innerText")
    for expected in ("wrong", "What is number 0?", "<think>hm 0</think><answer>C</answer>", "letter in <answer>",
                     "v0.mp4", "not found in this cache"):
        assert expected in card, expected
    assert browser.run("document.querySelector('li.gold').textContent") == "B. a lampgold"
    assert browser.run("document.querySelector('li.read').textContent") == "C. a dogread"
    browser.open(page, "filter=unparsed")
    assert "nothing" in browser.run("document.querySelector('.card dd.nothing').textContent")


def test_nothing_that_a_model_wrote_runs_or_is_markup(browser: Browser, page: Path) -> None:
    browser.open(page, "id=q11")
    assert browser.run("document.querySelector('.card pre').textContent") == HOSTILE
    assert browser.run("document.querySelector('.card h3').textContent") == HOSTILE
    assert browser.run("document.querySelectorAll('.card img, .card script').length") == 0
    assert browser.run("window.ran === undefined") and browser.complaints() == []


def test_an_address_that_means_nothing_shows_everything(browser: Browser, page: Path) -> None:
    for address in ("page=zero", "run=7", "answers", "page=-3", "=&&%25"):
        browser.open(page, address)
        assert browser.run(CARDS) == 20 and browser.complaints() == [], address


def test_slash_searches_and_keys_are_left_alone_while_typing(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("/")
    assert browser.run("document.activeElement.id") == "find" and browser.run("document.activeElement.value") == ""
    browser.key("5")
    browser.key("ArrowRight")
    browser.run(A_MOMENT)
    assert browser.run("document.getElementById('find').value") == "5"
    assert "page" not in browser.run("location.hash")


def test_flipped_questions_are_one_click_away_with_both_answers(browser: Browser, pair: Path) -> None:
    browser.open(pair)
    click(browser, "worse in b")
    assert ids(browser) == ["q0", "q1"]
    browser.open(pair, "change=won")
    assert ids(browser) == ["q6", "q7", "q8", "q9"]
    browser.open(pair)
    browser.run("[...document.querySelectorAll('.flips a')].find((one) => one.textContent === 'q8').click()")
    browser.run(A_MOMENT)
    assert ids(browser) == ["q8"]
    card = browser.run("document.querySelector('.card').innerText")
    assert "<answer>C</answer>" in card and "<answer>B</answer>" in card and re.search(r"b: right", card)
    choose(browser, "answers of", "b")
    assert "right" in browser.run("document.querySelector('.card').className") and browser.complaints() == []


def test_the_page_does_not_need_more_width_than_a_telephone_has(browser: Browser, pair: Path) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=380, height=800, deviceScaleFactor=1, mobile=False)
    browser.open(pair)
    assert browser.run("document.documentElement.scrollWidth") <= 380
    browser.call("Emulation.clearDeviceMetricsOverride")
