"""BSS Eval against museval itself and against closed forms, and the files that museval reads."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stemkit.evaluation.conditioning import DOUBTFUL_DB, measure_floor_db, round_samples
from stemkit.evaluation.evaluate import EvaluationOptions, evaluate_folders
from stemkit.evaluation.options import BSS_METRICS, ScoreOptions
from stemkit.evaluation.reading import read_references
from stemkit.evaluation.scoring import StemScores, score_stems
from stemkit.evaluation.songs import MIX, find_songs
from stemkit.separation.stems import Stems
from tests.evaluation.making import RATE, draw_nothing, make_noise, needs_ffmpeg, write_song

pytestmark = needs_ffmpeg

BSS = ScoreOptions(("bsseval",))


@pytest.fixture(scope="module")
def example() -> tuple[Stems, int]:
    """Return the song that comes with stempeg, as MUSDB18 has it."""
    import stempeg

    folder = Path(stempeg.example_stem_path()).parent
    songs, _ = find_songs(folder, with_musdb=True)
    (song,) = (song for song in songs if "Falcon 69" in song.title)
    references = read_references(song)
    return references.stems, references.sample_rate


def test_musdb_is_read_as_stempeg_reads_it(example: tuple[Stems, int]) -> None:
    import stempeg

    stems, rate = example
    streams, wanted_rate = stempeg.read_stems(stempeg.example_stem_path(), dtype=np.float32)
    assert rate == wanted_rate
    for name, stream in zip((MIX, "drums", "bass", "other", "vocals"), streams, strict=True):
        np.testing.assert_array_equal(stems[name], stream.T)
    np.testing.assert_allclose(stems["accompaniment"], streams[1:4].sum(axis=0).T, atol=1e-6)


def test_it_is_museval(example: tuple[Stems, int]) -> None:
    """A second of the example's left channel, each stem with some of the mix in it."""
    import museval

    stems, rate = example
    names = ("vocals", "drums", "bass", "accompaniment")
    cut = {name: samples[:1, rate : 2 * rate] for name, samples in stems.items()}
    estimates = {name: cut[name] + np.float32(0.2) * cut[MIX] for name in names}
    track = SimpleNamespace(
        name="x", rate=rate, targets={name: SimpleNamespace(audio=cut[name].T) for name in names}
    )
    oracle = museval.eval_mus_track(
        track, {name: sound.T for name, sound in estimates.items()}, win=0.5, hop=0.5
    )
    found = score_stems(cut, estimates, rate, ScoreOptions(("bsseval",), 0.5, 0.5))
    wanted = {
        target["name"]: [frame["metrics"] for frame in target["frames"]]
        for target in oracle.scores["targets"]
    }
    assert set(wanted) == set(found)
    for name, frames in wanted.items():
        for metric in BSS_METRICS:
            np.testing.assert_allclose(
                found[name].frames[metric], [float(one[metric]) for one in frames], atol=2e-5
            )
            assert found[name].scores[metric] == pytest.approx(
                np.median([float(one[metric]) for one in frames]), abs=2e-5
            )


def test_noise_in_noise() -> None:
    """Of white noise with a tenth of another in it, all is interference: 20 dB."""
    vocals, band = make_noise(0, 4 * RATE), make_noise(1, 4 * RATE)
    estimates = {"vocals": vocals + np.float32(0.1) * band, "accompaniment": band}
    found = score_stems({"vocals": vocals, "accompaniment": band}, estimates, RATE, BSS)["vocals"]
    wanted = [
        10 * np.log10(np.square(v).sum() / np.square(0.1 * b).sum())
        for v, b in zip(np.split(vocals, 4, axis=1), np.split(band, 4, axis=1), strict=True)
    ]
    np.testing.assert_allclose(found.frames["SDR"], wanted, atol=1e-3)
    np.testing.assert_allclose(found.frames["SIR"], wanted, atol=0.3)
    assert min(found.frames["SAR"]) > 60


def test_one_stem_alone_is_scored_against_the_rest() -> None:
    """The vocals alone have the scores that they have beside a perfect accompaniment."""
    stems = {name: make_noise(seed) for seed, name in enumerate(("vocals", "drums", "bass"))}
    stems[MIX] = stems["vocals"] + stems["drums"] + stems["bass"]
    for name in ("vocals", "drums"):
        estimate = stems[name] + np.float32(0.1) * stems["bass"]
        rest = stems[MIX] - stems[name]
        complete = stems | ({"accompaniment": rest} if name == "vocals" else {})
        (alone,) = score_stems(complete, {name: estimate}, RATE, BSS).values()
        pair = {name: stems[name], "rest": rest}
        beside = score_stems(pair, {name: estimate, "rest": rest}, RATE, BSS)[name]
        _assert_alike(alone, beside)
    (lone,) = score_stems({"bass": stems["bass"]}, {"bass": estimate}, RATE, BSS).values()
    assert np.isnan(lone.frames["SIR"]).all()
    assert np.isfinite(lone.frames["SDR"]).all()


def test_silence_is_left_out() -> None:
    """A silent second of any source has no scores; a silent reference has none at all."""
    sounds = {name: make_noise(seed) for seed, name in enumerate(("vocals", "drums", "bass"))}
    estimates = {name: sound + np.float32(0.1) * sounds["bass"] for name, sound in sounds.items()}
    half = sounds | {"drums": sounds["drums"] * (np.arange(2 * RATE) >= RATE)}
    for one in score_stems(half, estimates, RATE, BSS).values():
        assert np.isnan(one.frames["SDR"]).tolist() == [True, False]
        assert one.silent_frames == 1
        assert one.scores["SDR"] == one.frames["SDR"][1]
    silent = sounds | {"drums": 0 * sounds["drums"]}
    found = score_stems(silent, estimates, RATE)
    assert all(np.isnan(score) for score in found["drums"].scores.values())
    assert all(np.isfinite(score) for score in found["vocals"].scores.values())
    two = ("vocals", "bass")
    wanted = score_stems(_take(silent, two), _take(estimates, two), RATE)
    _assert_alike(found["vocals"], wanted["vocals"])
    found = score_stems(sounds, estimates | {"drums": 0 * sounds["drums"]}, RATE)
    assert np.isnan(found["drums"].scores["SDR"])
    assert found["drums"].scores["uSDR"] == pytest.approx(0, abs=1e-5)


def test_a_perfect_estimate_is_not_silent() -> None:
    sounds = {"vocals": make_noise(0, channels=2), "accompaniment": make_noise(1, channels=2)}
    found = score_stems(sounds, sounds, RATE, ScoreOptions(("bsseval",)))
    assert [(one.frame_count, one.silent_frames) for one in found.values()] == [(2, 0)] * 2
    assert all(np.isnan(one.scores["SDR"]) for one in found.values())


def test_references_that_are_too_clean_are_found() -> None:
    """Stereo of one channel has nothing but rounding noise between the two."""
    mono, other = make_noise(0, 4 * RATE), make_noise(1, 4 * RATE, 2)
    twice = np.repeat(mono, 2, axis=0)
    assert measure_floor_db([other]) > 60
    assert measure_floor_db([twice, other]) < -100
    noisy = twice + np.random.default_rng(2).uniform(-(2**-16), 2**-16, twice.shape)
    # Of two channels with independent noise of one variance, that is the difference's.
    assert measure_floor_db([noisy.astype(np.float32)]) == pytest.approx(0, abs=3)
    assert measure_floor_db([np.zeros_like(other)]) == np.inf
    assert DOUBTFUL_DB < 0


def test_references_are_rounded_on_request() -> None:
    sounds = {"vocals": make_noise(0), "accompaniment": make_noise(1)}
    estimates = {name: sound * np.float32(0.9) for name, sound in sounds.items()}
    rounded = {name: round_samples(sound) for name, sound in sounds.items()}
    assert {float(x) % 1 for x in rounded["vocals"][0] * 2**15} == {0.0}
    found = score_stems(sounds, estimates, RATE, ScoreOptions(("bsseval",), round_references=True))
    wanted = score_stems(rounded, estimates, RATE, BSS)
    for name, scores in found.items():
        _assert_alike(scores, wanted[name])


def test_museval_reads_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Museval's own store gives the medians that the table has; files of before are gone."""
    import museval

    draw_nothing(monkeypatch)
    for seed, song in enumerate(("one", "two", "three")):
        write_song(tmp_path / "refs" / song, seed, frames=3 * RATE)
        write_song(tmp_path / "ests" / song, seed, error=0.1 + 0.1 * seed, frames=3 * RATE)
    (tmp_path / "out" / "test").mkdir(parents=True)
    (tmp_path / "out" / "test" / "old.json").write_text("{}")
    (tmp_path / "out" / "summary.json").write_text('{"format": "stemkit evaluation"}')
    options = EvaluationOptions(jobs=1)
    result = evaluate_folders(tmp_path / "refs", tmp_path / "ests", tmp_path / "out", options)
    store = museval.EvalStore()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas', of concatenation
        store.add_eval_dir(str(tmp_path / "out"))
    tracks = store.agg_frames_scores()
    assert len(tracks) == 3 * 2 * 4
    for row in result.rows:
        for metric in BSS_METRICS:
            assert tracks[row.track, row.stem, metric] == pytest.approx(
                row.scores[metric], abs=1e-4
            )
    whole = store.agg_frames_tracks_scores()
    for one in result.summary:
        if one.metric in BSS_METRICS:
            assert whole[one.stem, one.metric] == pytest.approx(one.median.value, abs=1e-4)


def _assert_alike(found: StemScores, wanted: StemScores) -> None:
    for metric in BSS_METRICS:
        np.testing.assert_allclose(found.frames[metric], wanted.frames[metric], rtol=1e-3)


def _take(stems: Mapping[str, object], names: tuple[str, ...]) -> Stems:
    return {name: stems[name] for name in names}  # type: ignore[misc]
