"""A run from what was found to its last outcome: the plan, the work, and the ledger throughout."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from stemkit.batch.blas import one_thread
from stemkit.batch.cancel import Cancel, CancelToken
from stemkit.batch.cleaning import forget_refused, recover, remove_partials_of
from stemkit.batch.driving import drive, require_ledger
from stemkit.batch.entries import Status
from stemkit.batch.find import Fault, Findings
from stemkit.batch.jobs import Job, Naming, Reason, check_targets, name_jobs
from stemkit.batch.ledger import Ledger
from stemkit.batch.outcomes import Done, Dropped, Failed, Outcome, Progress, Tell
from stemkit.batch.plan import Plan, plan_left, plan_run
from stemkit.batch.recording import check_run_record, find_record, publish_run_record
from stemkit.batch.settings import Settings, describe_treatment, restore_treatment
from stemkit.batch.treatment import Treatment
from stemkit.batch.twins import describe_twin, link_twin
from stemkit.batch.worker import Work, treat_job
from stemkit.errors import PlanError, RecordError, StemkitError
from stemkit.spreading.spread import Lost, Spreading, spread
from stemkit.spreading.teams import count_workers
from stemkit.storage.places import parse_place

if TYPE_CHECKING:
    from stemkit.storage.places import Place

_REASONS: dict[Status, Reason] = {
    "failed": "failed",
    "interrupted": "interrupted",
    "pending": "missing",
}


@dataclass(frozen=True)
class Crew:
    """How work is spread, what stops it, and who is told how far it is.

    `tell` is called from several threads. Only threads tell how far a song is; work in other
    processes is told of as it is handed out and as it ends.
    """

    spreading: Spreading
    cancel: CancelToken
    tell: Tell


@dataclass(frozen=True)
class Batch:
    """What is done to songs, and to which of those that are found."""

    naming: Naming
    treatment: Treatment
    overwrite: bool = False
    dedupe: bool = False

    @property
    def settings(self) -> Settings:
        """The settings that the ledger knows; raises ModelError and PresetError."""
        return describe_treatment(self.treatment)

    def plan(
        self,
        findings: Findings,
        settings: Settings,
        ledger: Ledger | None,
        jobs: Sequence[Job | Fault] | None = None,
    ) -> Plan:
        """Return what is to be done about what was found; raises PlanError.

        `jobs` are what `name_jobs` made of it, if it was asked already.
        """
        if jobs is None:
            jobs = name_jobs(findings.audio, self.naming)
        return plan_run(
            findings, jobs, self.naming.output, settings, ledger,
            overwrite=self.overwrite, dedupe=self.dedupe,
        )  # fmt: skip


def run_batch(
    rounds: Iterator[Findings], batch: Batch, crew: Crew, announce: Callable[[Plan], None]
) -> Generator[Outcome, None, None]:
    """Plan each round and `announce` it; yield the outcome of each job as it ends and is recorded.

    When it is cancelled or this iterator is closed, what is in flight is dropped and nothing else
    begins. Raises PlanError, LedgerError, and for a treatment that can't be made ready ModelError,
    DeviceError and PresetError; then too what is in flight is dropped.
    """
    settings, output = batch.settings, batch.naming.output
    if batch.treatment.provenance == "run":
        check_run_record(output)
    for findings in rounds:
        if not findings.audio and not findings.faults:  # nothing to do isn't worth a ledger
            yield from announce_plan(batch.plan(findings, settings, None), output, announce)
            continue
        jobs = name_jobs(findings.audio, batch.naming)  # refused before anything is written
        with drive(output) as ledger:
            recover(ledger, output)
            forget_refused(ledger)
            ledger.note_settings(settings)
            for found in chain([findings], rounds):
                try:
                    plan = batch.plan(found, settings, ledger, jobs if found is findings else None)
                except PlanError as error:
                    if found.fresh is None:
                        raise
                    plan = Plan((), 0, faults=tuple(Fault(p, str(error)) for p in found.fresh))
                ledger.refuse(plan.faults)
                ledger.accept((*plan.done, *plan.not_audio))
                yield from announce_plan(plan, output, announce)
                yield from _Run(batch.treatment, crew, ledger, settings).carry_out(plan)
                publish_run_record(ledger, output)


def run_left(
    output: "Place", crew: Crew, announce: Callable[[Plan], None], *, allow_plugins: bool = False
) -> Generator[Outcome, None, None]:
    """Do again all that an output folder's ledger knows and that isn't done, as it was to be done.

    Yields and raises as `run_batch` does, and LedgerError where there is no ledger.
    """
    require_ledger(output)
    with drive(output) as ledger:
        recover(ledger, output)
        left: dict[tuple[str, str], list[Job]] = {}
        for entry in ledger.entries(*_REASONS):
            source, reason = parse_place(entry.source), _REASONS[entry.status]
            job = Job(source, output, entry.targets, reason, entry.record_name)
            left.setdefault((entry.fingerprint, ledger.find_places(entry.name)), []).append(job)
        songs = sum(ledger.count().values())
        for (fingerprint, places), jobs in left.items():
            plan = plan_left(jobs, songs, output, ledger)
            yield from announce_plan(plan, output, announce)
            try:
                check_targets(jobs, output)
                known = ledger.find_settings(fingerprint, places)
                treatment = restore_treatment(known, allow_plugins=allow_plugins)
                settings = describe_treatment(treatment)
            except StemkitError as error:  # of these jobs alone
                yield from (Failed(job, str(error)) for job in plan.jobs)
                continue
            ledger.note_settings(settings)
            yield from _Run(treatment, crew, ledger, settings).carry_out(plan)
        refused = tuple(
            Fault(parse_place(one.source), f"was refused and has to be separated anew: {one.error}")
            for one in ledger.refused()
        )
        if refused:
            yield from announce_plan(Plan((), songs, faults=refused), output, announce)
        publish_run_record(ledger, output)


def announce_plan(
    plan: Plan, output: "Place", announce: Callable[[Plan], None]
) -> Iterator[Outcome]:
    """Tell of a plan, and yield what is wrong with songs that have no job."""
    announce(plan)
    for fault in plan.faults:
        yield Failed(Job(fault.path, output, {}), fault.error)


@dataclass(frozen=True)
class _Run:
    """The work of one plan."""

    treatment: Treatment
    crew: Crew
    ledger: Ledger
    settings: Settings
    _handed_out: dict[str, Job] = field(default_factory=dict)  # by name
    _bereaved: list[Job] = field(default_factory=list)  # whose twin failed
    _errors: list[Exception] = field(default_factory=list)  # that telling raised

    @property
    def _in_threads(self) -> bool:
        return self.crew.spreading.backend == "threading"

    @property
    def _is_here(self) -> bool:
        """Whether the workers have this process's working folder."""
        return self.crew.spreading.backend in ("threading", "loky")

    def carry_out(self, plan: Plan) -> Iterator[Outcome]:
        """Yield the outcome of each job of a plan, once the ledger knows it."""
        if not any(plan.all_jobs()):  # no worker is needed
            return
        self.ledger.expect(plan.all_jobs(), self.settings.fingerprint, self.settings.places)
        stop_file = self.ledger.path.absolute().with_name("stop")
        stop_file.unlink(missing_ok=True)
        try:
            for twin, done in plan.known_twins:
                yield self._settle_twin(twin, done)
            stop = self.crew.cancel.reach(stop_file)
            yield from self._spread(plan, stop)
            if self._bereaved and not self.crew.cancel.is_set():
                yield from self._spread(Plan(tuple(self._bereaved), plan.songs), stop)
            if plan.jobs and not self._in_threads:  # a process may have died over a file
                remove_partials_of([job.target_names for job in plan.jobs], plan.jobs[0].output)
        except BaseException:
            self.crew.cancel.cancel()
            raise
        finally:
            self.ledger.interrupt_running()
            self.crew.cancel.forget(stop_file)
            stop_file.unlink(missing_ok=True)

    def _spread(self, plan: Plan, stop: Cancel) -> Iterator[Outcome]:
        crew = self.crew
        treatment = self.treatment if self._is_here else self.treatment.absolute()
        work = Work(treatment, stop, settings=self.settings, shares_memory=True)
        if self._in_threads:  # as many as ever: the shape of the work may show in the last bit
            workers = min(count_workers(crew.spreading), plan.songs)
            work = Work(treatment, crew.cancel, workers, self._tell, self.settings)
        jobs = self._hand_out(plan)
        results = spread(partial(treat_job, work), jobs, crew.spreading, crew.cancel.cancel)
        with closing(results):
            while (result := _await_next(results)) is not None:
                if isinstance(result, Lost):
                    result = Failed(result.item, result.reason)
                result = self._bring_home(result)
                yield self._settle(result)
                self._raise_what_telling_raised()
                for twin in plan.twins.get(result.job.name, ()):
                    if isinstance(result, Failed):
                        self._bereaved.append(twin)
                    else:
                        yield self._settle_twin(twin, result)

    def _hand_out(self, plan: Plan) -> Iterator[Job]:
        for job in plan.jobs:
            if self.crew.cancel.is_set():
                return
            self.ledger.begin(job, self.settings.fingerprint, self.settings.places)
            if not self._in_threads:
                self._tell(Progress(job, 0.0, None))
            self._handed_out[job.name] = job
            yield job if self._is_here else job.absolute()

    def _bring_home(self, outcome: Outcome) -> Outcome:
        """Return an outcome with the names that its job has in this process's folder."""
        job = self._handed_out.pop(outcome.job.name)
        if not isinstance(outcome, Done):
            return replace(outcome, job=job)
        outputs = tuple(replace(one, path=job.targets[one.stem]) for one in outcome.outputs)
        return replace(outcome, job=job, outputs=outputs)

    def _tell(self, progress: Progress) -> None:
        """Tell in whatever thread; what that raises ends the run, and isn't the song's fault."""
        try:
            self.crew.tell(progress)
        except Exception as error:
            self._errors.append(error)
            self.crew.cancel.cancel()

    def _raise_what_telling_raised(self) -> None:
        if self._errors:
            raise self._errors[0]

    def _settle(self, outcome: Outcome) -> Outcome:
        self.ledger.finish(outcome)
        return outcome

    def _settle_twin(self, job: Job, outcome: Outcome) -> Outcome:
        """Record what becomes of a job whose content is that of another, by the other's outcome."""
        self.ledger.begin(job, self.settings.fingerprint, self.settings.places)
        match outcome:
            case Done():
                linked = link_twin(job, outcome)
                if isinstance(linked, Done):
                    linked = self._describe_twin(linked, outcome)
                return self._settle(linked)
            case _:
                return self._settle(Dropped(job))

    def _describe_twin(self, twin: Done, done: Done) -> Done | Failed:
        try:
            record = find_record(done, self.ledger)
        except RecordError as error:  # the stems are as good as ever
            return replace(twin, warnings=(f"has no record: {error}",))
        return describe_twin(twin, record, self.treatment)


def _await_next(results: Iterator[Outcome | Lost[Job]]) -> Outcome | Lost[Job] | None:
    with one_thread.hold():  # not while the caller has an outcome, and the process for itself
        return next(results, None)
