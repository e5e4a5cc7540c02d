"""`wharfage offers`: what can be rented, and catalogs made from price data."""
