"""What a customer wants to buy."""

from dataclasses import dataclass, field
from decimal import Decimal

from shop.pricing import parse_price


@dataclass
class Line:
    name: str
    price: str
    quantity: int = 1

    def total(self) -> Decimal:
        return parse_price(self.price) * self.quantity


@dataclass
class Cart:
    lines: list[Line] = field(default_factory=list)

    def add(self, name: str, price: str, quantity: int = 1) -> None:
        if quantity < 1:
            raise ValueError("quantity must be at least 1")
        self.lines.append(Line(name, price, quantity))

    def total(self) -> Decimal:
        return sum((line.total() for line in self.lines), Decimal(0))
