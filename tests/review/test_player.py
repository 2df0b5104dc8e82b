"""The pages in a browser: what is heard, what the keys do, and that nothing leaves the folder."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from stemkit.review.build import build_review
from stemkit.review.drawing import THUMBNAIL, Drawing, Lane
from stemkit.review.entries import Entry
from stemkit.review.findings import Finding
from stemkit.review.page import ASSETS, STATIC, render_index
from stemkit.samples import Samples
from stemkit.tracks.record import MarkerRecord, SourceRecord, TagsRecord, TrackRecord
from stemkit.tracks.track import Track
from tests.tracks.making import write_track

pytestmark = pytest.mark.desktop

RATE = 48000
SECONDS = 10
TONES_HZ = {"vocals": 500, "drums": 1000, "bass": 2000}
LEVELS = {"vocals": 0.1, "drums": 0.2, "bass": 0.15}
ORIGINAL, VOCALS, DRUMS, BASS = range(4)
"""The lanes, in their order."""

HOSTILE = """"'><script>alert(1)</script>{{7*7}}&amp;<img src=x onerror=alert(1)>"""
HOSTILE_FILE = HOSTILE.replace("/", ":")

Taps = npt.NDArray[np.float64]
"""What came out of each lane, (lanes, frames)."""

DOT = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
"""A WebP picture of one pixel."""


class OpenPage(Protocol):
    """Opens a page of a review, and waits for its player."""

    def __call__(self, pattern: str, folder: Path = ...) -> Page: ...


TAP = """async (seconds) => {
  const {graph, context} = stemkit.player.transport;
  const lanes = graph.inputs.length;
  const merger = new ChannelMergerNode(context, {numberOfInputs: lanes});
  graph.inputs.forEach((input, lane) => input.connect(merger, 0, lane));
  const tap = context.createScriptProcessor(4096, lanes, 1);
  const blocks = [];
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('nothing plays')), 10000 * seconds);
    tap.onaudioprocess = ({inputBuffer}) => {
      blocks.push(graph.inputs.map((_, lane) => [...inputBuffer.getChannelData(lane)]));
      if (blocks.length * 4096 >= seconds * context.sampleRate) resolve();
    };
    merger.connect(tap).connect(context.destination);
  });
  tap.onaudioprocess = null;
  tap.disconnect();
  graph.inputs.forEach((input) => input.disconnect(merger));
  return JSON.stringify(graph.inputs.map((_, lane) => blocks.flatMap((block) => block[lane])));
}"""

RENDER = """async ([offset, seconds]) => {
  const {mixer, transport} = stemkit.player;
  const context = new OfflineAudioContext(2, seconds * stemkit.RATE, stemkit.RATE);
  new stemkit.Graph(context, mixer).start(transport.buffers, 0, offset, null);
  const buffer = await context.startRendering();
  return JSON.stringify([...buffer.getChannelData(0)]);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    path = next(filter(None, found), None)
    if path is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the review of tones, of tones with clicks, and of a track with hostile names."""
    library = tmp_path_factory.mktemp("library")
    write_track(library / "tones", make_tones(clicks=False), RATE)
    write_track(
        library / "clicks",
        make_tones(clicks=True),
        RATE,
        markers=[MarkerRecord(frame=RATE, label="Verse")],
    )
    clipped = np.zeros((1, 5 * RATE), np.float32)
    clipped[:, 2 * RATE : 3 * RATE] = 1
    write_track(
        library / HOSTILE_FILE,
        {HOSTILE_FILE: clipped},
        RATE,
        tags=TagsRecord(title=HOSTILE, artist=HOSTILE, album=HOSTILE),
        markers=[MarkerRecord(frame=0, label=HOSTILE)],
    )
    result = build_review(library, library / "review", workers=1)
    assert result is not None
    assert not result.failures
    return library / "review"


def make_tones(*, clicks: bool) -> dict[str, Samples]:
    """Return a tone of its own for each stem, and clicks at uneven times that all stems have."""
    time = np.arange(SECONDS * RATE) / RATE
    random = np.random.default_rng(0)
    noise = np.zeros(len(time))
    if clicks:
        for start in np.cumsum(random.integers(RATE // 10, RATE // 3, 40)):
            noise[start : start + 200] = random.normal(0, 0.2, 200)
    tones = {
        stem: LEVELS[stem] * np.sin(2 * np.pi * hz * time) + noise for stem, hz in TONES_HZ.items()
    }
    return {stem: np.tile(tone, (2, 1)).astype(np.float32) for stem, tone in tones.items()}


@pytest.fixture
def open_page(browser: Browser, review: Path) -> Iterator[OpenPage]:
    """Return what opens a page of the review; its player is ready. Afterwards nothing was wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrongs: list[str] = []
    page.on("console", lambda message: wrongs.append(message.text))
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.on("dialog", lambda dialog: wrongs.append(dialog.message))
    page.on("requestfailed", lambda request: wrongs.append(f"failed: {request.url}"))
    requests: list[str] = []
    folders: list[Path] = []
    page.on("request", lambda request: requests.append(request.url))

    def open_page(pattern: str, folder: Path = review) -> Page:
        folders.append(folder)
        (path,) = folder.glob(pattern)
        page.goto(path.as_uri())
        if page.locator("#play").count():
            page.wait_for_selector("#player[data-ready]")
        return page

    yield open_page
    context.close()
    # The tests' own tap is made with an old part of Web Audio, which the browser complains of.
    assert [wrong for wrong in wrongs if "ScriptProcessorNode" not in wrong] == []
    for url in requests:
        if url not in ("data:,", "about:blank"):  # the icon, and a page of nothing
            parts = urlsplit(url)
            path = Path(unquote(parts.path))
            assert parts.scheme == "file", url
            assert any(path.is_relative_to(folder) for folder in folders), url


def tap(page: Page, seconds: float) -> Taps:
    """Return what comes out of the lanes while the page plays."""
    return np.array(json.loads(page.evaluate(TAP, seconds)))


def render(page: Page, offset: float = 1.0, seconds: float = 1.0) -> npt.NDArray[np.float64]:
    """Return what the mix is as it is set, (frames,)."""
    return np.array(json.loads(page.evaluate(RENDER, [offset, seconds])))


def measure_tones(signal: npt.NDArray[np.float64]) -> list[float]:
    """Return the amplitude of each stem's tone; `signal` has whole periods of all of them."""
    spectrum = np.abs(np.fft.rfft(signal)) / (len(signal) / 2)
    return [float(spectrum[hz * len(signal) // RATE]) for hz in TONES_HZ.values()]


def find_lag(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> int:
    """Return by how many frames `other` is later than `one`, by what both have above 4 kHz."""
    size = 2 * len(one)
    low = int(4000 / RATE * size)
    spectra = [np.fft.rfft(signal, size) for signal in (one, other)]
    for spectrum in spectra:
        spectrum[:low] = 0
    correlation = np.fft.irfft(spectra[1] * spectra[0].conj(), size)
    lag = int(np.argmax(correlation))
    return lag if lag < len(one) else lag - size


def position(page: Page) -> float:
    return float(page.evaluate("stemkit.player.transport.position"))


def test_it_plays_and_all_lanes_are_in_step_through_seeks_and_loops(open_page: OpenPage) -> None:
    page = open_page("tracks/clicks-*.html")
    page.keyboard.press("Space")
    page.keyboard.press("0")  # so that the original sounds too, and then all at once
    for key in ("1", "2", "3"):
        page.keyboard.press(f"Shift+{key}")
    before = position(page)
    taps = tap(page, 1.0)
    assert position(page) > before + 0.9
    for seek in ("ArrowLeft", "Shift+ArrowRight"):
        page.keyboard.press(seek)
        taps = np.concatenate([taps, tap(page, 0.6)], axis=1)
    assert np.abs(taps).max(axis=1).min() > 0.1
    for lane in (VOCALS, DRUMS, BASS):
        assert abs(find_lag(taps[ORIGINAL], taps[lane])) <= 1


def test_a_loop_goes_round_in_step(open_page: OpenPage) -> None:
    page = open_page("tracks/clicks-*.html")
    page.keyboard.press("Space")
    page.evaluate("stemkit.player.transport.setLoop({start: 0.5, end: 0.9}, true)")
    page.wait_for_timeout(100)
    taps = tap(page, 1.5)
    period = round(0.4 * RATE)
    for lane in (VOCALS, DRUMS, BASS):
        assert np.abs(taps[lane]).max() > 0.05
        np.testing.assert_array_equal(taps[lane, period:], taps[lane, :-period])
        assert abs(find_lag(taps[VOCALS], taps[lane])) <= 1
    assert 0.5 <= position(page) < 0.9


def test_solo_really_silences_the_others(open_page: OpenPage) -> None:
    page = open_page("tracks/tones-*.html")
    page.keyboard.press("Space")
    page.keyboard.press("2")
    page.wait_for_timeout(150)
    taps = tap(page, 0.5)
    assert np.abs(taps[DRUMS]).max() > 0.9 * LEVELS["drums"]
    for lane in (ORIGINAL, VOCALS, BASS):
        assert not taps[lane].any()
    amplitudes = measure_tones(render(page))
    assert amplitudes[1] == pytest.approx(LEVELS["drums"], rel=0.03)
    assert max(amplitudes[0], amplitudes[2]) < 1e-3


def test_the_mix_is_what_the_controls_say(open_page: OpenPage) -> None:
    page = open_page("tracks/tones-*.html")
    vocals, drums, bass = LEVELS.values()

    def expect_mix(*expected: float) -> None:
        assert measure_tones(render(page)) == pytest.approx(expected, rel=0.03, abs=1e-3)

    expect_mix(vocals, drums, bass)  # the original isn't heard besides
    page.get_by_label("Level of drums").fill("-6")
    expect_mix(vocals, drums * 10 ** (-6 / 20), bass)
    page.get_by_label("Level of drums").fill("-60")
    expect_mix(vocals, 0, bass)
    page.get_by_label("Level of drums").fill("0")
    page.get_by_label("Master").fill("-12")
    expect_mix(*(level * 10 ** (-12 / 20) for level in (vocals, drums, bass)))
    page.get_by_label("Master").fill("0")
    page.get_by_label("Mute bass").click()
    expect_mix(vocals, drums, 0)
    page.get_by_label("Solo original").click()
    expect_mix(vocals, drums, bass)
    page.get_by_label("Solo original").click()
    expect_mix(vocals, drums, 0)
    page.get_by_label("Solo vocals").click()
    page.get_by_label("Solo bass").click(modifiers=["Shift"])
    expect_mix(vocals, 0, bass)
    page.get_by_label("Mute vocals").click()  # a muted lane is never heard
    expect_mix(0, 0, bass)


def test_previews_begin_where_the_stems_do(open_page: OpenPage) -> None:
    page = open_page("tracks/clicks-*.html")
    page.keyboard.press("1")
    expected = make_tones(clicks=True)["vocals"][0, RATE : 2 * RATE].astype(float)
    assert abs(find_lag(expected, render(page))) <= 48  # 1 ms


def test_keys_do_what_the_help_says(open_page: OpenPage) -> None:
    page = open_page("tracks/tones-*.html")
    play = page.locator("#play")
    page.keyboard.press("Space")
    expect(play).to_have_text("Pause")
    page.keyboard.press("Space")
    expect(play).to_have_text("Play")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    assert position(page) == 1
    page.keyboard.press("ArrowRight")
    assert position(page) == 6
    page.keyboard.press("]")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("[")
    expect(page.locator("#range")).to_have_text(re.compile("0:01.0 . 0:06.0"))
    page.keyboard.press("End")
    assert position(page) == SECONDS
    page.keyboard.press("l")
    expect(page.locator("#loop")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Home")  # out of the loop
    expect(page.locator("#loop")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("3")
    expect(page.get_by_label("Solo bass")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    expect(page.get_by_label("Mute drums")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.get_by_label("Solo vocals")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("p")
    expect(page.locator("h1")).to_have_text("clicks")


def test_keys_leave_controls_alone(open_page: OpenPage) -> None:
    page = open_page("tracks/tones-*.html")
    level = page.get_by_label("Level of vocals")
    level.focus()
    page.keyboard.press("ArrowRight")
    expect(level).to_have_value("0.5")
    assert position(page) == 0
    page.get_by_label("Solo vocals").focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("Solo vocals")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#play")).to_have_text("Play")
    page.get_by_label("Solo vocals").click()
    page.keyboard.press("Space")
    expect(page.get_by_label("Solo vocals")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#play")).to_have_text("Pause")
    page.keyboard.press("Control+1")
    expect(page.get_by_label("Solo vocals")).to_have_attribute("aria-pressed", "false")


def test_the_pointer_seeks_and_drags_a_loop(open_page: OpenPage) -> None:
    page = open_page("tracks/clicks-*.html")
    strip = page.get_by_role("group", name="drums").locator(".strip")
    box = strip.bounding_box()
    assert box is not None
    strip.click(position={"x": box["width"] / 4, "y": 40})
    assert position(page) == pytest.approx(SECONDS / 4, abs=0.02)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 60)
    page.mouse.up()
    loop = page.evaluate("stemkit.player.transport.loop")
    assert loop["start"] == pytest.approx(SECONDS / 2, abs=0.02)
    assert loop["end"] == pytest.approx(SECONDS * 3 / 4, abs=0.02)
    assert position(page) == loop["start"]
    page.get_by_role("button", name="Verse").click()
    assert position(page) == 1


def test_hostile_names_are_text(open_page: OpenPage, review: Path) -> None:
    page = open_page("tracks/script-*.html")
    expect(page.locator("h1")).to_have_text(HOSTILE)
    expect(page.locator(".facts")).to_contain_text(HOSTILE)
    expect(page.locator(".lane .name bdi").last).to_have_text(HOSTILE_FILE)
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0
    page = open_page("index.html")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    assert page.locator("script").count() == 1


def test_a_finding_can_be_gone_to_and_looped(open_page: OpenPage) -> None:
    page = open_page("tracks/script-*.html")
    jump = page.locator(".findings li", has_text="clipping").locator(".jump")
    start = float(jump.get_attribute("data-start") or "")
    assert start == pytest.approx(2, abs=0.5)
    jump.click()
    assert position(page) == start
    expect(page.locator(".lane.chosen bdi")).to_have_text(HOSTILE_FILE)
    page.get_by_role("button", name="Loop 0:0").first.click()
    assert page.evaluate("stemkit.player.transport.loop.start") == start
    expect(page.locator("#play")).to_have_text("Pause")
    page.keyboard.press("Home")
    page.locator(f".mark[data-start='{start}']").first.click()
    assert start <= position(page) < start + 1


def make_entry(number: int) -> Entry:
    """Return a track of a table: every tenth without a record, every seventh with a finding."""
    random = np.random.default_rng(number)
    name = f"Song {number * 7919 % 2000}"
    levels = {"peak_db": -1, "true_peak_db": -1, "energy_db": -20}
    source = SourceRecord(
        path="/music/song.flac", size_bytes=1, sha256="0", container="flac", codec="flac",
        sample_rate=RATE, channels=2, frames=1, loudness_lufs=-random.uniform(5, 30), **levels,
    )  # fmt: skip
    tags = TagsRecord(title=name, artist=f"Artist {number % 50}")
    record = TrackRecord(name=name, source=source, stems=[], tags=tags) if number % 10 else None
    track = Track(name, Path(name), name, (), RATE, 2, int(random.integers(RATE, 999 * RATE)))
    findings = () if number % 7 else (Finding("clipping", "vocals", "It clips.", ()),)
    drawing = Drawing(
        made_from="", lanes=(Lane(name="vocals", role="stem", peak=1.0),), findings=findings,
        playable_seconds=None,
    )  # fmt: skip
    return Entry(replace(track, record=record), f"song-{number}", "songs", drawing, name)


def test_the_table_sorts_and_filters_thousands(open_page: OpenPage, tmp_path: Path) -> None:
    entries = [make_entry(number) for number in range(2000)]
    for name in STATIC:
        (tmp_path / name).write_bytes((ASSETS / name).read_bytes())
    (tmp_path / "tracks" / "songs").mkdir(parents=True)
    (tmp_path / "tracks" / "songs" / THUMBNAIL).write_bytes(DOT)
    (tmp_path / "index.html").write_text(render_index("Music", entries, [], "."))
    page = open_page("index.html", tmp_path)

    def read_titles() -> list[str]:
        titles = page.locator("#tracks tbody a")
        return [str(title) for title in titles.evaluate_all("(all) => all.map(a => a.textContent)")]

    def find_head(name: str) -> Locator:
        return page.get_by_role("columnheader", name=name)

    find_head("LUFS").get_by_role("button").click()
    known = [entry for entry in entries if entry.source]
    known.sort(key=lambda entry: (entry.source and entry.source.loudness_lufs) or 0, reverse=True)
    assert read_titles()[: len(known)] == [entry.track.title for entry in known]
    expect(find_head("LUFS")).to_have_attribute("aria-sort", "descending")
    find_head("LUFS").get_by_role("button").click()
    assert read_titles()[: len(known)] == [entry.track.title for entry in known[::-1]]
    find_head("Track").get_by_role("button").click()
    assert read_titles() == [f"Song {number}" for number in range(2000)]
    page.keyboard.press("/")
    page.keyboard.type("artist 77")
    found = [entry for entry in entries if "77" in f"{entry.track.title} {entry.track.tags.artist}"]
    found = [entry for entry in found if entry.record]  # others have no artist
    expect(page.get_by_role("status")).to_have_text(f"{len(found)} shown")
    page.get_by_label("Only with warnings").check()
    warned = [entry for entry in found if entry.warnings]
    expect(page.locator("#tracks tbody tr:visible")).to_have_count(len(warned))
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#tracks tbody tr:visible")).to_have_count(len(warned))


def test_pages_without_audio_have_no_player(open_page: OpenPage, tmp_path: Path) -> None:
    write_track(tmp_path / "tones", make_tones(clicks=False), RATE)
    build_review(tmp_path, tmp_path / "review", workers=1, with_audio=False)
    page = open_page("tracks/tones-*.html", tmp_path / "review")
    assert page.locator("button, script, dialog").count() == 0
    assert page.get_by_role("img").count() == 8
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert not [*tmp_path.glob("review/tracks/*/*.js")]
