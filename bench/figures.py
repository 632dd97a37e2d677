"""One measured figure, as a line of JSON."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """``floor`` and ``peer`` are in the figure's own unit; ``met`` is None where there is no goal."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    peer: float | None = None
    goal: str = ""
    met: bool | None = None

    def line(self) -> str:
        """As ``make bench`` prints it."""
        return json.dumps(
            {
                "name": self.name,
                "value": _short(self.value),
                "unit": self.unit,
                "floor": _short(self.floor),
                "peer": _short(self.peer),
                "ratio_floor": _short(self.value / self.floor) if self.floor else None,
                "ratio_peer": _short(self.value / self.peer) if self.peer else None,
                "goal": self.goal,
                "met": self.met,
            }
        )


def against_floor(name: str, value: float, floor: float, most: float, unit: str = "s") -> Figure:
    """A figure whose goal is at most ``most`` times its floor."""
    return Figure(name, value, unit, floor, None, f"≤ {most}× floor", value <= floor * most)


def against_peer(name: str, value: float, peer: float, most: float, unit: str) -> Figure:
    """A figure whose goal is at most ``most`` times what its peer takes."""
    return Figure(name, value, unit, None, peer, f"≤ {most}× peer", value <= peer * most)


def at_most(name: str, value: float, most: float, unit: str) -> Figure:
    """A figure whose goal is a number."""
    return Figure(name, value, unit, goal=f"≤ {most} {unit}", met=value <= most)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
