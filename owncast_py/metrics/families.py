"""What Prometheus calls a family: a name, what it means, its labels, and where its numbers come from.

Owns how a family is declared and how it becomes what prometheus_client renders. Which families there are, `app.numbers`
says. Names follow Prometheus' conventions: base units, counters without the `_total` that they are shown with. Labels
never hold what comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from owncast_py.metrics.histogram import Histogram

Labelled = tuple[tuple[str, ...], float]
"""The values of the labels, and the number."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family; `read` is called at each scrape, on the event loop, and answers from memory."""

    name: str
    read: Callable[[], Metric]


def gauge(name: str, explanation: str, read: Callable[[], float | None]) -> Family:
    """A number that goes up and down; None while it is not known."""

    def metric() -> Metric:
        found = GaugeMetricFamily(name, explanation)
        if (value := read()) is not None:
            found.add_metric((), value)
        return found

    return Family(name, metric)


def gauges(name: str, explanation: str, labels: tuple[str, ...], read: Callable[[], Iterable[Labelled]]) -> Family:
    """The same for each set of labels."""

    def metric() -> Metric:
        found = GaugeMetricFamily(name, explanation, labels=labels)
        for values, value in read():
            found.add_metric(values, value)
        return found

    return Family(name, metric)


def counter(name: str, explanation: str, read: Callable[[], float]) -> Family:
    """A number that only grows, from 0 at the start; `name` is without `_total`."""

    def metric() -> Metric:
        return CounterMetricFamily(name, explanation, value=read())

    return Family(name, metric)


def counters(name: str, explanation: str, labels: tuple[str, ...], read: Callable[[], Iterable[Labelled]]) -> Family:
    """The same for each set of labels."""

    def metric() -> Metric:
        found = CounterMetricFamily(name, explanation, labels=labels)
        for values, value in read():
            found.add_metric(values, value)
        return found

    return Family(name, metric)


def histogram(name: str, explanation: str, read: Callable[[], Histogram]) -> Family:
    """How long something took."""

    def metric() -> Metric:
        counted = read()
        return HistogramMetricFamily(name, explanation, buckets=counted.buckets, sum_value=counted.sum)

    return Family(name, metric)


def histograms(
    name: str,
    explanation: str,
    labels: tuple[str, ...],
    read: Callable[[], Iterable[tuple[tuple[str, ...], Histogram]]],
) -> Family:
    """The same for each set of labels."""

    def metric() -> Metric:
        found = HistogramMetricFamily(name, explanation, labels=labels)
        for values, counted in read():
            found.add_metric(values, counted.buckets, counted.sum)
        return found

    return Family(name, metric)


def info(name: str, explanation: str, labels: tuple[str, ...], read: Callable[[], Iterable[tuple[str, ...]]]) -> Family:
    """What is the case, as labels; the number is always 1. `name` is without `_info`."""

    def metric() -> Metric:
        found = InfoMetricFamily(name, explanation)
        for values in read():
            found.add_metric((), dict(zip(labels, values, strict=True)))
        return found

    return Family(name, metric)
