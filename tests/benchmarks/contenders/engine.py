"""stemkit, by the way that its own API takes from a file to the files of its stems."""

from pathlib import Path

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from stemkit import load_network
from stemkit.audio.decode import AudioReader
from stemkit.audio.encode import OutputFormat
from stemkit.audio.stems import StemsWriter
from stemkit.nn.checkpoints import load_checkpoint
from stemkit.samples import Samples
from stemkit.separation.engine import Engine
from stemkit.separation.options import EngineOptions
from tests.benchmarks.contenders.field import ARCHITECTURES, DEVICE, Contender, Files
from tests.benchmarks.contenders.runner import Runner


def open_engine(contender: Contender, files: Files) -> Runner:
    """Return stemkit's engine.

    Of an architecture's one source it writes no complement, for bytesep doesn't either.
    """
    engine = _make_engine(contender, files)

    def predict(segment: Samples) -> Samples:
        sources = engine.predict([segment])[0]  # (sources, 2, frames)
        return np.asarray(sources[engine.sources.index("vocals")])

    segment_frames = min(engine.plan.segment_frames, soundfile.info(files.song).frames)
    return Runner(
        lambda song, out: _separate(engine, song, out),
        predict,
        segment_frames,
        engine.steps_of_a_song,
    )


def _make_engine(contender: Contender, files: Files) -> Engine:
    options = EngineOptions(
        device=DEVICE,
        precision="float32" if contender.way == "float32" else "auto",
        compiled=contender.way == "compiled",
        stems=("vocals",) if contender.model in ARCHITECTURES else None,
    )
    if contender.model in ARCHITECTURES:
        weights = files.weights(contender.model)
        return Engine(load_checkpoint(weights, contender.model, ("vocals",)), options)
    return Engine(load_network(contender.model), options)


def _separate(engine: Engine, song: Path, out: Path) -> None:
    targets = {stem: out / f"{stem}.wav" for stem in engine.stems}
    with threadpool_limits(1, user_api="blas"), AudioReader(song) as reader:  # as stemkit's runs do
        info = reader.info
        with StemsWriter(
            targets, info.sample_rate, info.channels, OutputFormat("wav", "16")
        ) as writer:
            for stems in engine.separate_blocks(reader.blocks(), info.sample_rate):
                writer.write(stems)
            writer.finish()
