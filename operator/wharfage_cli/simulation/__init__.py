"""`wharfage compare` and `wharfage simulate`: what a load would have cost, under which autoscaler."""
