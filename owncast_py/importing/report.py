"""What an import took and what it left, for people and as JSON.

Owns the words around it. Sentences come from those who took something; none holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NotRequired

from typing_extensions import TypedDict

MAX_SENTENCES = 200
"""Sentences about what was left; further ones are counted."""


class TakenView(TypedDict):
    """How many of something were taken, and how many were there from an import before."""

    what: str
    taken: int
    there: int


class ReportView(TypedDict):
    """The report as JSON."""

    source: str
    schema: int | None
    dryRun: bool
    taken: list[TakenView]
    left: list[str]
    notes: list[str]
    more: NotRequired[int]
    """Sentences that found no room in `left`."""


@dataclass
class Report:
    """Filled while the import runs."""

    source: str
    schema: int | None
    dry_run: bool = False
    taken: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By what it is: how many were taken, and how many were there already."""
    left: list[str] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, what: str, taken: int, there: int = 0) -> None:
        """Adds to how many of something were taken, and were there."""
        before = self.taken.get(what, (0, 0))
        self.taken[what] = before[0] + taken, before[1] + there

    def leave(self, sentence: str) -> None:
        """Says what was not taken, and what to do about it."""
        if len(self.left) < MAX_SENTENCES:
            self.left.append(sentence)
        else:
            self.more += 1

    def note(self, sentence: str) -> None:
        """Says what is good to know of what was taken."""
        self.notes.append(sentence)

    def view(self) -> ReportView:
        """The report as JSON."""
        view: ReportView = {
            "source": self.source,
            "schema": self.schema,
            "dryRun": self.dry_run,
            "taken": [TakenView(what=what, taken=taken, there=there) for what, (taken, there) in self.taken.items()],
            "left": self.left,
            "notes": self.notes,
        }
        if self.more:
            view["more"] = self.more
        return view

    def text(self) -> str:
        """The report to read."""
        version = "unknown" if self.schema is None else str(self.schema)
        verb = "Would be taken" if self.dry_run else "Taken"
        lines = [f"{verb} from {self.source} (version {version} of its tables):"]
        width = max((len(what) for what in self.taken), default=0)
        for what, (taken, there) in self.taken.items():
            beside = f"   {there} more were there already" if there else ""
            lines.append(f"  {what:<{width}}  {taken:>8}{beside}")
        if self.left:
            lines += ["", "Not taken:", *(f"  - {sentence}" for sentence in self.left)]
        if self.more:
            lines.append(f"  - {self.more} more like these.")
        if self.notes:
            lines += ["", "Good to know:", *(f"  - {sentence}" for sentence in self.notes)]
        if self.dry_run:
            lines += ["", "Nothing was changed."]
        return "\n".join(lines)
