"""The brain beside Envoy: which request goes to which replica, which one waits, which one is refused."""
