"""The options of the command line, and the places that follow from them."""

from dataclasses import dataclass
from pathlib import Path

from walkthrough import demo


@dataclass(frozen=True)
class Options:
    """Rates are in orders a second."""

    name: str
    only: tuple[str, ...]
    rate: float
    peak: float
    resume: bool
    keep: bool
    explore: bool
    state: Path

    @property
    def rows(self) -> Path:
        """The results so far, as JSON."""
        return self.state / "rows.json"

    @property
    def demo(self) -> demo.Options:
        """Those of the parts that this has in common with the demo."""
        return demo.Options(name=self.name, context=None, once=True, keep=self.keep, state=self.state)
