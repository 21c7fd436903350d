"""What holds for every test: a failure is printed when it happens, so that a run that is cut off names it, and no test
leaves the process with another priority than it found.
"""

from __future__ import annotations

import os

import pytest


class Failures:
    """Prints each failure under the dots, in short; the summary at the end has all of it."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        words = crash.message if crash is not None else report.longreprtext
        self._terminal.ensure_newline()
        self._terminal.write_line(f"{report.nodeid} failed in its {report.when}: {words[:500]}", red=True)


def pytest_runtest_teardown() -> None:
    # Whoever opens SVT-AV1 as root is a real-time process from then on, and so is every browser that it starts later:
    # these leave nothing of the machine to anybody else.
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:  # Only the process that prints has one.
        config.pluginmanager.register(Failures(terminal), "failures")
