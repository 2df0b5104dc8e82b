"""What a run came to."""

from dataclasses import dataclass


@dataclass
class Summary:
    """What a run came to, in files; `planned` ones were only shown, by --dry-run."""

    done: int = 0
    failed: int = 0
    interrupted: int = 0
    skipped_done: int = 0
    skipped_not_audio: int = 0
    planned: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = (
            (self.planned, "to do"),
            (self.done, "done"),
            (self.failed, "failed"),
            (self.interrupted, "interrupted"),
            (self.skipped_done, "already there"),
            (self.skipped_not_audio, "not audio"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count) or "no files"
