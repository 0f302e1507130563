import unittest

from shop.cart import Cart
from shop.checkout import place_order


class PlaceOrder(unittest.TestCase):
    def test_a_small_order_pays_shipping(self):
        cart = Cart()
        cart.add("mug", "9.50", 2)
        self.assertEqual(place_order(cart), "Total $23.90")

    def test_a_large_order_ships_free(self):
        cart = Cart()
        cart.add("chair", "120.00")
        self.assertEqual(place_order(cart), "Total $120.00")

    def test_an_empty_cart_is_refused(self):
        with self.assertRaises(ValueError):
            place_order(Cart())


if __name__ == "__main__":
    unittest.main()
