"""What the sample shop sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """A product of the sample shop; the price is in US cents."""

    id: str
    name: str
    description: str
    picture: str
    """Path below the shop's frontend."""
    categories: tuple[str, ...]
    cents: int

    @property
    def units(self) -> int:
        """Whole dollars of the price."""
        return self.cents // 100

    @property
    def nanos(self) -> int:
        """What the price has beyond whole dollars, in 10^-9 dollars."""
        return self.cents % 100 * 10_000_000


def _product(
    code: str, name: str, description: str, picture: str, categories: str, cents: int
) -> SampleProduct:
    """A product whose picture is named like the file in `pictures/`."""
    path = f"/pictures/{picture}.jpg"
    return SampleProduct(code, name, description, path, tuple(categories.split()), cents)


PRODUCTS = (
    _product(
        "CUP-FERN01",
        "Fern Stoneware Cup",
        "A round, hand-sized cup, fern green outside and cream within, its foot left bare.",
        "cup",
        "kitchen tableware",
        1650,
    ),
    _product(
        "VASE-FLUTE02",
        "Fluted Clay Vase",
        "Terracotta with flutes that wind about its belly; matte, and happy with a single branch.",
        "vase",
        "decor home",
        4200,
    ),
    _product(
        "CARAFE-CORK03",
        "Cork Ball Carafe",
        "Mouth-blown glass for a litre of water or juice. The cork ball finds its seat by itself.",
        "carafe",
        "kitchen glass",
        2990,
    ),
    _product(
        "LAMP-LINEN04",
        "Linen Table Lamp",
        "A turned walnut foot, a brass neck and a shade of unbleached linen: light for late pages.",
        "lamp",
        "lighting home",
        11900,
    ),
    _product(
        "SPECS-ROUND05",
        "Round Wire Spectacles",
        "Reading glasses with a thin brass frame and horn-coloured tips, light enough to forget.",
        "spectacles",
        "accessories",
        6450,
    ),
    _product(
        "CLOCK-BELL06",
        "Twin Bell Clock",
        "Steel-blue lacquer, two bells and one hammer. Mornings begin when you say so.",
        "clock",
        "decor bedroom",
        3875,
    ),
    _product(
        "CAN-BRASS07",
        "Brass Watering Can",
        "A long bent spout that reaches the pot at the back without wetting the sill.",
        "watering_can",
        "garden",
        5400,
    ),
    _product(
        "NOTE-TAN08",
        "Saddle Leather Notebook",
        "Two hundred cream pages between stitched boards, with a ribbon and a band to hold it shut.",
        "notebook",
        "stationery accessories",
        2725,
    ),
    _product(
        "THROW-OCHRE09",
        "Chunky Knit Throw",
        "Ochre wool in a thick stocking stitch, folded and waiting for the sofa.",
        "throw",
        "textiles home",
        8990,
    ),
)
"""All products, in the order in which the shop shows them."""
