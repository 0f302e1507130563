"""What sending a parcel costs."""

from decimal import Decimal

FREE_FROM = Decimal(100)
FLAT_RATE = Decimal("4.90")


def shipping(total: Decimal) -> Decimal:
    """Free from 100, a flat rate below."""
    return Decimal(0) if total >= FREE_FROM else FLAT_RATE
