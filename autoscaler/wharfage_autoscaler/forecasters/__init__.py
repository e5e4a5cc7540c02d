"""Ways to forecast load. `model.py` says what each is, `calibrated.py` makes quantiles of any of them."""
