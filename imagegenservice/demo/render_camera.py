"""Where the camera of a product picture stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .render_shapes import Floats, Vector, column, normalised


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands, in degrees about `target`; `span` units are in view."""

    target: Vector
    span: float
    elevation: float = 26
    azimuth: float = 0
    lens: float = 0.02
    """Radius of the aperture; the target's distance is in focus."""

    def rays(self, x: Floats, y: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Origins and directions (3, N) of the rays through image points, -1..1 with y up."""
        up, turn = np.deg2rad(self.elevation), np.deg2rad(self.azimuth)
        back = column((np.cos(up) * np.sin(turn), np.sin(up), np.cos(up) * np.cos(turn)))
        right = column((np.cos(turn), 0, -np.sin(turn)))
        above = np.cross(back[:, 0], right[:, 0]).astype(np.float32).reshape(3, 1)
        away = self.span * 2.9  # a 90 mm lens on full frame sees about a third of its distance
        centre = column(self.target)
        focus = centre + (right * x + above * y) * np.float32(self.span / 2)
        r, angle = np.sqrt(u) * np.float32(self.lens), v * np.float32(2 * np.pi)
        origin = centre + back * np.float32(away) + right * (r * np.cos(angle)) + above * (r * np.sin(angle))
        return origin, normalised(focus - origin)
