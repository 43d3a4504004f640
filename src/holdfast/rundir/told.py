"""What only the journal tells of each job; the state files keep it for whoever reads its end."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.rundir.lines import Record
from holdfast.rundir.shapes import INTERRUPTIONS, SECONDS


@dataclass
class Told:
    """How often each job was interrupted, and how long the completed ones were trained."""

    interruptions: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def kept(cls, folds: Record) -> "Told":
        """Return what the file of the folds keeps."""
        return cls(Counter(folds[INTERRUPTIONS]), dict(folds[SECONDS]))

    def add(self, journal: Iterable[Record]) -> "Told":
        """Add what further records tell."""
        for record in journal:
            match record["event"]:
                case "job_started":
                    self.seconds.pop(record["job"], None)
                case "job_resumed" if self.seconds.pop(record["job"], None) is None:
                    self.interruptions[record["job"]] += 1  # else it was complete, and is extended
                case "job_completed":
                    self.seconds[record["job"]] = float(record.get("seconds", 0.0))
        return self

    def record(self) -> Record:
        """Return the same as a state file has it."""
        return {INTERRUPTIONS: dict(self.interruptions), SECONDS: self.seconds}
