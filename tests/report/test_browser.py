"""The page in headless Chromium, as readers see it: on a desk and on a phone, light and dark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from splitgen.runs.report import report_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(element => {
  if (element.closest('svg') || element.closest('.scroll')) return false;
  const box = element.getBoundingClientRect();
  return box.width > 0 && (box.right > window.innerWidth + 1 || box.left < -1
    || (getComputedStyle(element).overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1));
}).map(element => element.outerHTML.slice(0, 120))"""
OUTSIDE_CHART = """() => [...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect(), chart = text.closest('svg').getBoundingClientRect();
  return box.left < chart.left - 2 || box.right > chart.right + 2 || box.top < chart.top - 2
    || box.bottom > chart.bottom + 2;
}).map(text => text.textContent)"""
# Contrast of each chart's text with the page, and of its coloured marks: WCAG asks for 4.5 and for 3.
CHART_CONTRAST = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => channels(colour).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = colour => (Math.max(light(colour), paper) + 0.05) / (Math.min(light(colour), paper) + 0.05);
  const least = elements => Math.min(...elements.map(e => contrast(getComputedStyle(e).fill)));
  const texts = [...document.querySelectorAll('svg text')]
    .filter(text => !text.closest('[id*="confusion"], [id*="similarity"]'));
  const parts = ['train', 'test', 'random', 'recoverable', 'reserve'].map(part => `fill: var(--${part})`);
  const marks = [...document.querySelectorAll('svg path')]
    .filter(path => parts.some(part => path.getAttribute('style')?.includes(part)));
  return {texts: least(texts), marks: least(marks), counted: [texts.length, marks.length]};
}"""


# Size of the thumbnails as drawn, and the places of each class's strips: they stand in one line where their ends agree.
THUMBNAILS = """() => [...document.querySelectorAll('.row img, .side img')].map(image => {
  const box = image.getBoundingClientRect();
  return [box.width, box.height, image.naturalWidth, getComputedStyle(image).imageRendering];
})"""
LINES = """() => [...document.querySelectorAll('.row, .contrasts')].map(
  row => new Set([...row.children].map(strip => Math.round(strip.getBoundingClientRect().bottom))).size)"""


@pytest.fixture(scope="module")
def report(hostile, run_folder, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    report_folder(hostile, run_folder, [], 0, path)
    return path


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_reads_well(browser, report, width, scheme):
    axe_library = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []
    thumbnails = page.evaluate(THUMBNAILS)
    assert len(thumbnails) > 200
    assert all(min(sizes) >= 56 and max(sizes) <= 98 for *sizes, _, _ in thumbnails), thumbnails
    assert {rendering for *_, rendering in thumbnails} == {"pixelated"}
    if width == 1280:
        assert page.evaluate(LINES) == [1] * 11
    assert page.evaluate(OUTSIDE_CHART) == []
    contrast = page.evaluate(CHART_CONTRAST)
    n_texts, n_marks = contrast["counted"]
    assert n_texts > 50
    assert n_marks == 50  # each part of a histogram is one
    assert contrast["texts"] >= 4.5, contrast
    assert contrast["marks"] >= 3, contrast
    found = axe_library.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert found.violations_count == 0, found.generate_report()
    page.close()
