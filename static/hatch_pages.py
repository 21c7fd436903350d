"""Takes the built pages into the wheel, so that whoever installs it needs no node.

Run by hatchling, which finds it in pyproject.toml. It does not build the pages: `make setup` does.
"""

from __future__ import annotations

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSIDE = "web/built"
"""Where `web.pages` looks for them."""


class PagesHook(BuildHookInterface):
    """Adds static/dist to a wheel. An editable installation takes the pages of its checkout and needs none."""

    def initialize(self, version: str, build_data: dict[str, dict[str, str]]) -> None:
        """Ends the build with a sentence when there are no pages."""
        if version == "editable":
            return
        built = Path(self.root, "static", "dist")
        if missing := [name for name in ("index.html", "admin.html") if not (built / name).is_file()]:
            self.app.abort(
                f"A wheel needs the built pages, but {built / missing[0]} does not exist: run `make setup` (it needs "
                "node and npm), then build the wheel again."
            )
        build_data["force_include"][str(built)] = INSIDE
