"""A fleet that serves a recorded load without a GPU: what is backtested here is the code that ships."""
