"""How results are shown: medians with their spread, tables, and whether a target was met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the summary. `met` is None where there is nothing to compare with."""

    what: str
    target: str
    measured: str
    met: bool | None


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Median (least–greatest)."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({low}–{high}){unit and ' ' + unit}"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, pair by pair as they were run."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *notes: str) -> None:
    """Prints a table in Markdown, with the median of all columns where `spread` made them."""
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    print(f"\n## {title}\n")
    print(line(columns))
    print(line(["-" * width for width in widths]))
    for row in rows:
        print(line(row))
    for note in notes:
        print(f"\n{note}")
    print(flush=True)


def summarise(verdicts: Sequence[Verdict]) -> None:
    """Prints all targets and what became of them."""
    words = {True: "met", False: "MISSED", None: "-"}
    rows = [(verdict.what, verdict.target, verdict.measured, words[verdict.met]) for verdict in verdicts]
    show("Summary", ("what", "target", "measured (median, least–greatest)", ""), rows)
