"""How large things are to each other: a cart of a ring and a coat must still read at a glance."""

from __future__ import annotations

import re
from typing import Final

_CENTIMETRES: Final[dict[str, float]] = {
    # The longest side as one meets it in a home, rounded; only the order of magnitude matters below.
    "ring": 3, "earring": 4, "earrings": 4, "pendant": 6, "necklace": 20, "bracelet": 8, "brooch": 5,
    "watch": 10, "sunglasses": 15, "glasses": 15, "wallet": 12, "belt": 35, "tie": 45, "cap": 26, "hat": 30,
    "beanie": 24, "scarf": 55, "gloves": 24, "sock": 26, "socks": 26,
    "shirt": 70, "tee": 68, "top": 60, "blouse": 65, "tank": 60, "sweater": 70, "hoodie": 72, "jacket": 75,
    "coat": 100, "dress": 105, "skirt": 60, "jeans": 100, "trousers": 100, "pants": 100, "shorts": 50,
    "loafer": 30, "loafers": 30, "shoe": 30, "shoes": 30, "sneaker": 30, "sneakers": 30, "boot": 34,
    "boots": 34, "sandals": 28, "heels": 26, "slippers": 28,
    "bag": 40, "handbag": 32, "backpack": 48, "tote": 42, "purse": 24, "suitcase": 65,
    "mug": 11, "cup": 9, "glass": 14, "tumbler": 14, "bowl": 16, "plate": 26, "jar": 20, "bottle": 26,
    "shaker": 15, "shakers": 15, "salt": 15, "pepper": 15, "teapot": 22, "kettle": 26, "pan": 42, "pot": 28,
    "knife": 30, "spoon": 18, "fork": 19, "board": 38, "candle": 10, "holder": 9, "vase": 26, "lamp": 42,
    "clock": 26, "frame": 26, "pillow": 45, "cushion": 45, "blanket": 60, "towel": 50, "planter": 24,
    "plant": 34, "basket": 34, "mirror": 50, "chair": 85, "table": 80, "stool": 55, "rug": 120,
    "hairdryer": 25, "dryer": 25, "brush": 22, "comb": 18, "soap": 9, "perfume": 11, "lipstick": 8,
    "cream": 9, "shampoo": 20,
    "phone": 15, "laptop": 34, "tablet": 25, "headphones": 20, "earbuds": 6, "camera": 15, "lens": 11,
    "keyboard": 44, "mouse": 11, "speaker": 20, "typewriter": 34, "record": 31, "book": 23, "notebook": 21,
    "pen": 14, "pencil": 18, "toy": 22, "teddy": 30, "bike": 170, "bicycle": 170, "guitar": 100, "ball": 22,
    "skateboard": 80, "terrarium": 20, "airplant": 16, "barista": 25, "coffee": 16, "tea": 14,
}
_ORDINARY: Final = 17.0
_GROWTH: Final = 0.26
"""A thing ten times as long is shown 1.8 times as large: enough to order them, little enough to see both."""


def weight_of(name: str) -> float:
    """How large to show a product of this name, 1 being a mug or a jar: 0.7..1.5.

    The last word that is known decides, for names end in what the thing is ("Tank Top", "Candle Holder").
    """
    words = [word for word in re.findall(r"[a-z]+", name.lower()) if word in _CENTIMETRES]
    length = _CENTIMETRES[words[-1]] if words else _ORDINARY
    return min(max((length / _ORDINARY) ** _GROWTH, 0.7), 1.5)
