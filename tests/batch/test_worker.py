"""What a worker on a machine of its own may not have."""

from pathlib import Path

import pytest

from stemkit.audio.encode import OutputFormat
from stemkit.batch.cancel import CancelToken
from stemkit.batch.driving import drive
from stemkit.batch.jobs import Job
from stemkit.batch.outcomes import Done
from stemkit.batch.settings import describe_treatment
from stemkit.batch.treatment import Treatment
from stemkit.batch.worker import Work, treat_job
from stemkit.errors import ClusterError
from tests.batch.libraries import save_tiny, write_song


@pytest.fixture
def treatment(tmp_path: Path) -> Treatment:
    return Treatment(OutputFormat("wav"), save_tiny(tmp_path / "tiny.safetensors"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    song = write_song(tmp_path / "song.wav")
    return Job(song, tmp_path / "out", {"vocals": "vocals.wav"}, record_name="song.json")


def test_a_folder_that_is_not_there_is_not_made(treatment: Treatment, job: Job) -> None:
    work = Work(treatment, CancelToken(), shares_memory=True)
    with pytest.raises(ClusterError, match="doesn't see the output folder"):
        treat_job(work, job)
    assert not job.output.exists()
    with drive(job.output):
        assert isinstance(treat_job(work, job), Done)


def test_another_model_of_the_same_name_is_not_used(treatment: Treatment, job: Job) -> None:
    settings = describe_treatment(treatment)
    work = Work(treatment, CancelToken(), settings=settings, shares_memory=True)
    with drive(job.output):
        assert isinstance(treat_job(work, job), Done)
        assert isinstance(treatment.model, Path)
        save_tiny(treatment.model, gain=0.5)
        newer = Work(
            treatment, CancelToken(), settings=describe_treatment(treatment), shares_memory=True
        )
        assert isinstance(treat_job(newer, job), Done)
        with pytest.raises(ClusterError, match="has another model than this run"):
            treat_job(work, job)
