"""Prices as people type them, and as we print them."""

from decimal import Decimal


def parse_price(text: str) -> Decimal:
    """A price as typed into the price field, such as ``19.90`` or ``$19.90``."""
    return Decimal(text.strip().lstrip("$"))


def format_price(amount: Decimal) -> str:
    """``1299.5`` becomes ``$1,299.50``."""
    return f"${amount:,.2f}"
