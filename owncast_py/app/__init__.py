"""The composition root: builds every part, starts them in order, ends them in reverse. Only this package knows all."""

from owncast_py.app.server import probe_machine, run
from owncast_py.app.stage import Stage

__all__ = ["Stage", "probe_machine", "run"]
