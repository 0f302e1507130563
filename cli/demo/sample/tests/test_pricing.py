import unittest
from decimal import Decimal

from shop.pricing import format_price, parse_price


class ParsePrice(unittest.TestCase):
    def test_a_plain_price(self):
        self.assertEqual(parse_price("19.90"), Decimal("19.90"))

    def test_a_price_with_a_dollar_sign(self):
        self.assertEqual(parse_price(" $5 "), Decimal(5))

    def test_a_printed_price_can_be_read_back(self):
        self.assertEqual(parse_price(format_price(Decimal("1299.00"))), Decimal("1299.00"))


if __name__ == "__main__":
    unittest.main()
