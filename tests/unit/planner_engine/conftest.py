"""Fixtures: small repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.planner_engine.workshop import SHOP, Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """An empty repository."""
    return Workshop(tmp_path / "repository")


@pytest.fixture
def new_workshop(tmp_path: Path) -> Callable[[str], Workshop]:
    """Makes further repositories by name."""
    return lambda name: Workshop(tmp_path / name)


@pytest.fixture
def shop(workshop: Workshop) -> Workshop:
    """A small Python shop with three commits."""
    workshop.commit(SHOP, "Open the shop")
    workshop.commit(
        {"shop/payment.py": "def charge_card(card, amount):\n    return card.charge(amount, retry=True)\n"},
        "Retry declined payments",
    )
    changed = str(SHOP["shop/cart.py"]).replace("sum(", "0 + sum(")
    workshop.commit(
        {"shop/cart.py": changed, "tests/test_cart.py": str(SHOP["tests/test_cart.py"]) + "\n"},
        "Refuse expired coupons when pricing the cart",
    )
    return workshop
