"""Which row of the ledger tells of a job."""

import dataclasses
from functools import cached_property

from stemkit.batch.entries import Entry
from stemkit.batch.jobs import Job
from stemkit.batch.ledger import Ledger
from stemkit.batch.settings import Settings, name_differences
from stemkit.separation.stems import RESIDUAL


class Rows:
    """The ledger's rows as they stand while a plan with some settings is made."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._differences: dict[str, tuple[str, ...]] = {}

    def find(self, job: Job) -> Entry | None:
        """Return the row of a job, or else that of another job which wrote one of its outputs.

        Of another job that was done with the same settings but for its choice of stems, the row
        is given as if it were this one's: a stem is the same whatever is made beside it, unless it
        is what others leave.
        """
        if entry := self._ledger.find(job.name):
            return entry
        known = [name for name in job.target_names.values() if self._ledger.find_file(name)]
        writer = next((self._writers[name] for name in known if name in self._writers), None)
        entry = None if writer is None else self._ledger.find(writer)
        if entry and RESIDUAL not in job.target_names and self.differ(entry) == ("stems",):
            return dataclasses.replace(entry, fingerprint=self._settings.fingerprint)
        return entry

    def differ(self, entry: Entry) -> tuple[str, ...]:
        """Return the names of the settings that were others when a row was written."""
        fingerprint = entry.fingerprint
        if fingerprint not in self._differences:
            before = self._ledger.find_settings(fingerprint)
            differences = name_differences(before, self._settings) if before else ()
            self._differences[fingerprint] = differences
        return self._differences[fingerprint]

    @cached_property
    def _writers(self) -> dict[str, str]:
        """The last job that has each file among its targets, by their names."""
        return self._ledger.list_writers()
