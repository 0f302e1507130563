"""Turns a cart into an order."""

from shop.cart import Cart
from shop.pricing import format_price
from shop.shipping import shipping


def place_order(cart: Cart) -> str:
    """The line on the receipt: the total with shipping."""
    if not cart.lines:
        raise ValueError("the cart is empty")
    goods = cart.total()
    return f"Total {format_price(goods + shipping(goods))}"
